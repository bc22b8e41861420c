package prometheus

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
)

const (
	rules     = "nginx-hotswap.rules.yml"
	rulesTest = "nginx-hotswap.rules_test.yml"
	// metrics has every metric that there is, see the tests of the program.
	metrics = "../../cmd/nginx-hotswap/testdata/metrics.prom"
)

func promtool(t *testing.T, stdin []byte, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		nginxtest.Unable(t, "promtool is not installed; it is in the package prometheus")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestRules(t *testing.T) {
	promtool(t, nil, "check", "rules", "--lint-fatal", rules)
	promtool(t, nil, "test", "rules", rulesTest)
}

// The names follow Prometheus's conventions, and each has a help text.
func TestMetrics(t *testing.T) {
	promtool(t, read(t, metrics), "check", "metrics")
}

// Every rule has a test in which it fires and one in which it does not.
func TestEveryRuleIsTested(t *testing.T) {
	tested := string(read(t, rulesTest))
	for _, m := range regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllSubmatch(read(t, rules), -1) {
		name := string(m[1])
		if !strings.Contains(tested, "alertname: "+name+"\n        exp_alerts:\n") {
			t.Errorf("%s never fires", name)
		}
		if !strings.Contains(tested, "alertname: "+name+"}\n") {
			t.Errorf("%s is never quiet", name)
		}
	}
}

var metricName = regexp.MustCompile(`nginx_hotswap_[a-z_]+`)

// names returns the metrics that a text names, without the suffixes that a
// histogram adds.
func names(text []byte) []string {
	var found []string
	for _, name := range metricName.FindAllString(string(text), -1) {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, suffix)
		}
		if !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found
}

// Rules and documentation name metrics that there are, and the documentation
// names all.
func TestNames(t *testing.T) {
	there := names(read(t, metrics))
	for _, file := range []string{rules, rulesTest, "README.md"} {
		for _, name := range names(read(t, file)) {
			if !slices.Contains(there, name) {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
	}
	documented := names(read(t, "README.md"))
	for _, name := range there {
		if !slices.Contains(documented, name) {
			t.Errorf("README.md does not tell of %s", name)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
