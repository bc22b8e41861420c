package supervisor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/internal/probe"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// loadProbes reads a configuration and one of an instance beside it.
func loadProbes(t *testing.T, main, instance string) (Config, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "instance.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"hotswap.conf": main, "instance.d/web.conf": instance} {
		put(t, filepath.Join(dir, name), text)
	}
	c, warnings, err := LoadConfig(filepath.Join(dir, "hotswap.conf"))
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	return c, err
}

func TestProbeConfig(t *testing.T) {
	health := ProbeConfig{URL: "http://127.0.0.1/health"}
	full := ProbeConfig{URL: "https://127.0.0.1:8443/", Host: "example.org", ExpectStatus: 204,
		IntervalSec: 100 * time.Millisecond, TimeoutSec: time.Second, FailureThreshold: 5}
	program := ProbeConfig{Exec: "/usr/local/bin/check --quick"}
	const healthText = "[Probe]\nURL=http://127.0.0.1/health\n"
	for name, tt := range map[string]struct {
		main, instance                string
		common, own                   []ProbeConfig
		differential, ownDifferential bool
	}{
		"none":         {"", "", nil, nil, true, true},
		"every key":    {"[Probe]\nURL=https://127.0.0.1:8443/\nHost=example.org\nExpectStatus=204\nIntervalSec=100ms\nTimeoutSec=1s\nFailureThreshold=5\n", "", []ProbeConfig{full}, []ProbeConfig{full}, true, true},
		"several":      {healthText + "[Probe]\nTCP=127.0.0.1:25\n[Probe]\nExec=/usr/local/bin/check --quick\n", "", []ProbeConfig{health, {TCP: "127.0.0.1:25"}, program}, []ProbeConfig{health, {TCP: "127.0.0.1:25"}, program}, true, true},
		"none at all":  {"[Probe]\nDifferential=no\n", "", nil, nil, false, false},
		"both":         {"[Probe]\nDifferential=no\n" + healthText, "", []ProbeConfig{health}, []ProbeConfig{health}, false, false},
		"of its own":   {healthText, "[Probe]\nTCP=127.0.0.1:25\n", []ProbeConfig{health}, []ProbeConfig{{TCP: "127.0.0.1:25"}}, true, true},
		"only one no":  {healthText, "[Probe]\nDifferential=no\n", []ProbeConfig{health}, []ProbeConfig{health}, true, false},
		"only one yes": {"[Probe]\nDifferential=no\n", "[Probe]\nDifferential=yes\n", nil, nil, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := loadProbes(t, tt.main, tt.instance)
			if err != nil {
				t.Fatal(err)
			}
			own := c.Instance("web").Upgrade
			if diff := cmp.Diff(tt.common, c.Upgrade.Probes); diff != "" {
				t.Errorf("for all: %s", diff)
			}
			if diff := cmp.Diff(tt.own, own.Probes); diff != "" {
				t.Errorf("for the instance: %s", diff)
			}
			if c.Upgrade.Differential != tt.differential || own.Differential != tt.ownDifferential {
				t.Errorf("differential %v, for the instance %v", c.Upgrade.Differential, own.Differential)
			}
		})
	}
}

func TestProbeConfigErrors(t *testing.T) {
	for text, says := range map[string]string{
		"IntervalSec=1s":                      "exactly one of URL, TCP and Exec",
		"URL=http://a/\nTCP=a:1":              "exactly one of URL, TCP and Exec",
		"URL=ftp://127.0.0.1/":                "not an http or https URL",
		"URL=http:///health":                  "not http[s]://HOST[:PORT]/PATH",
		"TCP=127.0.0.1":                       "not HOST:PORT",
		"Exec=check-site":                     "not an absolute path",
		"TCP=127.0.0.1:80\nExpectStatus=200":  "a status can only be expected of a URL",
		"TCP=127.0.0.1:80\nHost=example.org":  "a host can only be asked for with a URL",
		"URL=http://a/\nHost=a b":             "not a host",
		"URL=http://a/\nExpectStatus=99":      "ExpectStatus=",
		"URL=http://a/\nExpectStatus=1000":    "cannot expect status 1000",
		"URL=http://a/\nFailureThreshold=0":   "FailureThreshold=",
		"URL=http://a/\nTimeoutSec=soon":      "TimeoutSec=",
		"URL=http://a/\nDifferential=perhaps": "Differential=",
	} {
		text = "[Probe]\n" + text + "\n"
		if _, err := loadProbes(t, text, ""); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "hotswap.conf: [Probe]") {
			t.Errorf("%q: error %v, want one with %q", text, err, says)
		}
		if _, err := loadProbes(t, "", text); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "web.conf: [Probe]") {
			t.Errorf("%q for an instance: error %v, want one with %q", text, err, says)
		}
	}
}

// soaking is a cycle that is asking the questions.
func soaking(t *testing.T, asked ...string) *cycle {
	t.Helper()
	c := &cycle{s: New(InstanceConfig{Name: "web"}, Options{Store: tempStore(t)}), rec: &Record{Instance: "web", Successor: Generation{Version: "1.26.3"}}}
	c.prober = &prober{rounds: make(chan round, 16), asked: make(map[string]int), streaks: make(map[int]*probe.Streak)}
	for _, target := range asked {
		c.prober.asked[target] = 0
	}
	return c
}

func good(target string) round { return round{target: target, threshold: 3, at: someTime} }

func failed(target string) round {
	return round{target: target, text: target + ": 500", threshold: 3, at: someTime}
}

func silent(target string) round {
	return round{target: target, unasked: "no such program", threshold: 3, at: someTime}
}

func TestProbeStreaks(t *testing.T) {
	impatient := failed("a")
	impatient.threshold = 1
	for name, tt := range map[string]struct {
		rounds    []round
		bad       int  // the round with which the build is condemned, from 1; 0: never
		satisfied bool // after the last
	}{
		"nothing was asked":              {nil, 0, false},
		"only one was":                   {[]round{good("a"), good("a")}, 0, false},
		"all are good":                   {[]round{good("a"), good("b")}, 0, true},
		"one has just failed":            {[]round{good("a"), good("b"), failed("b")}, 0, false},
		"it has recovered":               {[]round{good("a"), failed("b"), failed("b"), good("b")}, 0, true},
		"three in a row":                 {[]round{good("a"), failed("b"), failed("b"), failed("b")}, 4, false},
		"three, but of two":              {[]round{failed("a"), failed("b"), failed("a"), failed("b")}, 0, false},
		"three, but not in a row":        {[]round{failed("a"), failed("a"), good("a"), failed("a"), good("b")}, 0, false},
		"another's answers do not count": {[]round{failed("b"), good("a"), failed("b"), good("a"), failed("b")}, 5, false},
		"a threshold of one":             {[]round{good("b"), impatient}, 2, false},
		"cannot be asked":                {[]round{silent("a"), good("b")}, 0, true},
		"silence ends no streak":         {[]round{good("a"), failed("b"), silent("b"), failed("b"), silent("b"), failed("b")}, 6, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := soaking(t, "a", "b")
			bad := 0
			for i, r := range tt.rounds {
				if err := c.note(r); err != nil && bad == 0 {
					bad = i + 1
					if want := r.text + " of 1.26.3, "; !condemned(err) || !strings.HasPrefix(err.Error(), want) {
						t.Errorf("error %q, want a condemning one with %q", err, want)
					}
				}
			}
			if bad != tt.bad || c.probesSatisfied() != tt.satisfied {
				t.Errorf("bad with round %d, want %d; satisfied %v", bad, tt.bad, c.probesSatisfied())
			}
			if c.prober.total != len(tt.rounds) {
				t.Errorf("%d rounds are counted of %d", c.prober.total, len(tt.rounds))
			}
		})
	}
}

// probed takes what is there and does not wait for more.
func TestProbed(t *testing.T) {
	c := soaking(t, "a")
	for range 3 {
		c.prober.rounds <- failed("a")
	}
	if err := c.probed(); !condemned(err) {
		t.Errorf("error %v", err)
	}
	if err := c.probed(); err != nil {
		t.Errorf("without another round: %v", err)
	}
	if err := (&cycle{}).probed(); err != nil {
		t.Errorf("before anything was asked: %v", err)
	}
	if !(&cycle{}).probesSatisfied() {
		t.Error("without probes there is nothing to wait for")
	}
}

// Another configuration may answer otherwise than the old master did; a probe
// that a person wrote says what is good under any.
func TestProbesAfterAReload(t *testing.T) {
	c := soaking(t, differentialName, "a")
	c.rec.Reloaded = true
	for range 5 {
		if err := c.note(failed(differentialName)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.note(good("a")); err != nil || !c.probesSatisfied() {
		t.Errorf("error %v, satisfied %v", err, c.probesSatisfied())
	}
	var err error
	for range 3 {
		err = c.note(failed("a"))
	}
	if !condemned(err) {
		t.Errorf("error %v", err)
	}
}

// An nginx that is out of connections closes new ones, whatever its version.
func TestProbesWhileExhausted(t *testing.T) {
	c := soaking(t, "a")
	c.lines = []logLine{{nginx.LogLine{Text: "1024 worker_connections are not enough"}, time.Now()}}
	for range 5 {
		if err := c.note(failed("a")); err != nil {
			t.Fatal(err)
		}
	}
	c.lines[0].read = time.Now().Add(-time.Hour)
	var err error
	for range 3 {
		err = c.note(failed("a"))
	}
	if !condemned(err) {
		t.Errorf("an hour later: %v", err)
	}
}

// The daemon is root: a program that somebody else could have written is not
// run.
func TestProbeProgramIsTrusted(t *testing.T) {
	c := soaking(t)
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // whatever the umask
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "check")
	put(t, program, "#!/bin/sh\n")
	for name, tt := range map[string]struct {
		mode os.FileMode
		says string
	}{
		"ours":     {0o755, ""},
		"anyone's": {0o757, "can be written by others"},
	} {
		if err := os.Chmod(program, tt.mode); err != nil {
			t.Fatal(err)
		}
		err := c.mayRun(probe.Target{Exec: []string{program, "--quick"}})
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: error %v, want %q", name, err, tt.says)
		}
	}
	if err := c.mayRun(probe.Target{Exec: []string{program + "-missing"}}); err == nil {
		t.Error("a program that is not there may be run")
	}
	if err := c.mayRun(probe.Target{URL: "http://127.0.0.1/"}); err != nil {
		t.Errorf("a question without a program: %v", err)
	}
	if os.Geteuid() != 0 {
		nginxtest.Unable(t, "only root may give files away")
	}
	if err := os.Chown(program, 1234, 0); err != nil {
		t.Fatal(err)
	}
	if err := c.mayRun(probe.Target{Exec: []string{program}}); err == nil || !strings.Contains(err.Error(), "belongs to uid 1234") {
		t.Errorf("somebody's: %v", err)
	}
}
