package grafana

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
)

// metrics has every metric that there is, see the tests of the program.
const metrics = "../../cmd/nginx-hotswap/testdata/metrics.prom"

// dashboard is the part of Grafana's format that the tests look at.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Panels        []panel
	Templating    struct{ List []variable }
	Annotations   struct{ List []target }
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []target
}

type target struct {
	RefID, Expr  string
	LegendFormat string
	Datasource   struct{ Type, UID string }
}

type variable struct {
	Name, Type string
	Definition string
	Query      any // of type query an object, whose text is repeated in Definition
}

func load(t *testing.T) dashboard {
	t.Helper()
	data, err := os.ReadFile("nginx-hotswap.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	if d.Title == "" || d.UID == "" || d.SchemaVersion == 0 || len(d.Panels) == 0 {
		t.Fatalf("no dashboard: %+v", d)
	}
	return d
}

// expressions returns all that Prometheus is asked, and where.
func (d dashboard) expressions() map[string]string {
	all := make(map[string]string)
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			all[p.Title+" "+target.RefID] = target.Expr
		}
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		all["$"+v.Name] = v.Definition
		if query, ok := v.Query.(map[string]any); ok {
			all["$"+v.Name+" query"], _ = query["query"].(string)
		}
	}
	for _, a := range d.Annotations.List {
		all["annotation"] = a.Expr
	}
	return all
}

var metricName = regexp.MustCompile(`nginx_hotswap_[a-z_]+`)

// Every question names a metric that there is, with labels that it has.
func TestMetricsExist(t *testing.T) {
	data, err := os.ReadFile(metrics)
	if err != nil {
		t.Fatal(err)
	}
	for where, expr := range load(t).expressions() {
		found := metricName.FindAllString(expr, -1)
		if len(found) == 0 {
			t.Errorf("%s asks for no metric of ours: %q", where, expr)
		}
		for _, name := range found {
			line := regexp.MustCompile(`(?m)^` + name + `[{ ].*$`).Find(data)
			if line == nil {
				t.Errorf("%s: there is no metric %s", where, name)
			}
			if strings.Contains(expr, name+`{job=~"$job", instance=~"$instance", name=~`) && !bytes.Contains(line, []byte(`{name="`)) {
				t.Errorf("%s: %s has no label name", where, name)
			}
		}
	}
}

// What a legend shows is there after the aggregation.
func TestLegends(t *testing.T) {
	label := regexp.MustCompile(`\{\{(\w+)\}\}`)
	for _, p := range load(t).Panels {
		for _, target := range p.Targets {
			for _, m := range label.FindAllStringSubmatch(target.LegendFormat, -1) {
				if !strings.Contains(target.Expr, "by ("+m[1]+")") {
					t.Errorf("%s: {{%s}} is not in %s", p.Title, m[1], target.Expr)
				}
			}
		}
	}
}

var variableName = regexp.MustCompile(`\$\{?(\w+)`)

// Panels are whole, ask the data source that was chosen, use variables that are
// defined, and do not lie upon each other.
func TestPanels(t *testing.T) {
	d := load(t)
	defined := []string{"__rate_interval"}
	for _, v := range d.Templating.List {
		defined = append(defined, v.Name)
	}
	for where, expr := range d.expressions() {
		for _, m := range variableName.FindAllStringSubmatch(expr, -1) {
			if !slices.Contains(defined, m[1]) {
				t.Errorf("%s: $%s is not defined", where, m[1])
			}
		}
	}
	taken := make(map[[2]int]string)
	ids := make(map[int]bool)
	for _, p := range d.Panels {
		if p.Title == "" || p.Description == "" || p.Type == "" || len(p.Targets) == 0 || ids[p.ID] {
			t.Errorf("panel %d is not whole, or is there twice: %+v", p.ID, p)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			if target.Datasource.Type != "prometheus" || target.Datasource.UID != "${datasource}" {
				t.Errorf("%s asks %+v", p.Title, target.Datasource)
			}
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s and %q at %d, %d", p.Title, other, x, y)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// Prometheus itself understands every question.
func TestExpressions(t *testing.T) {
	path, err := exec.LookPath("promtool")
	if err != nil {
		nginxtest.Unable(t, "promtool is not installed; it is in the package prometheus")
	}
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	for where, expr := range load(t).expressions() {
		if strings.HasPrefix(where, "$") {
			continue // label_values() is Grafana's own
		}
		expr = strings.NewReplacer("$__rate_interval", "5m").Replace(expr)
		rules = append(rules, rule{"dashboard", expr})
	}
	// JSON is YAML.
	file, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	name := t.TempDir() + "/rules.yml"
	if err := os.WriteFile(name, file, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), path, "check", "rules", "--lint=none", name).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
