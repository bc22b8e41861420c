package main

import (
	"fmt"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

func TestStatusLine(t *testing.T) {
	running := func(name string) supervisor.Status {
		return supervisor.Status{Name: name, MainPID: 1, Running: supervisor.RunningStatus{BuildStatus: supervisor.BuildStatus{Version: "1.22.1"}}}
	}
	stopped := func(name string) supervisor.Status {
		return supervisor.Status{Name: name, Reason: "nginx is not running"}
	}
	waiting, needing, upgrading, tested := running("shop"), running("wiki"), running("blog"), running("blog")
	waiting.Pending = true
	needing.Pending, needing.Alert = true, "rolled back"
	upgrading.Phase, upgrading.Cycle = supervisor.Soaking, &supervisor.CycleStatus{From: "1.22.1", To: "1.26.3"}
	tested.Phase, tested.Cycle = supervisor.Verifying, &supervisor.CycleStatus{From: "1.22.1"}
	many := []supervisor.Status{upgrading}
	for i := range 200 {
		many = append(many, running(fmt.Sprintf("nginx@%03d", i)))
	}
	for _, tt := range []struct {
		want string
		list []supervisor.Status
	}{
		{"there is no instance", nil},
		{"watching nginx 1.22.1", []supervisor.Status{running("nginx")}},
		{"nginx does not run", []supervisor.Status{stopped("nginx")}},
		{"looking for nginx", []supervisor.Status{{Name: "nginx"}}},
		{"watching a 1.22.1; b 1.22.1", []supervisor.Status{running("b"), running("a")}},
		{"blog: 1.22.1, verifying", []supervisor.Status{tested}},
		{"blog: 1.22.1 to 1.26.3, soaking; wiki needs attention; shop 1.22.1, what is on disk differs; watching nginx 1.22.1; old does not run",
			[]supervisor.Status{stopped("old"), running("nginx"), waiting, needing, upgrading}},
		{"blog: 1.22.1 to 1.26.3, soaking; watching nginx@000 1.22.1; nginx@001 1.22.1; nginx@002 1.22.1; nginx@003 1.22.1; and 196 more", many},
	} {
		clauses := make(map[string]clause)
		for _, s := range tt.list {
			clauses[s.Name] = clauseOf(s)
		}
		if got := sentence(clauses); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}
