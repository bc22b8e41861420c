package supervisor_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// TestPIDFileOfAnInstance is about instances that are found by their pid file:
// what it says is all that is known.
func TestPIDFileOfAnInstance(t *testing.T) {
	for name, tt := range map[string]struct {
		content string // "" for no file
		says    string
	}{
		"missing":        {"", "nginx is not running"},
		"empty":          {"\n", "nginx is not running"},
		"another's":      {fmt.Sprint(os.Getpid()), "is not an nginx master process"},
		"of the kernel":  {"2", "is not an nginx master process"},
		"nobody's":       {"4194303", "nginx is not running"},
		"a worker's":     {"worker", "is not an nginx master process"},
		"not a number":   {"nginx", "not a pid"},
		"a group's":      {"-1", "not a pid"},
		"not of a range": {"99999999999999999999", "not a pid"},
	} {
		t.Run(name, func(t *testing.T) {
			if comm, _ := os.ReadFile("/proc/2/comm"); name == "of the kernel" && string(comm) != "kthreadd\n" {
				t.Skip("the threads of the kernel are not seen in a container")
			}
			n := start(t, traffic.Site{})
			stop := lightTraffic(t, n)
			before := processes(t, n.Master)
			store := newStore(t)
			s := supervisor.New(instanceOf(n, quick()), options(t, store, quick()))
			nginxtest.Install(t, n.Binary, newer(t, n))
			remove(t, n.PIDPath())
			if tt.content == "worker" {
				tt.content = fmt.Sprint(before.Children[0].PID)
			}
			if tt.content != "" {
				appendNew(t, n.PIDPath(), tt.content)
			}
			out := s.Once(t.Context(), request(supervisor.WaitDone))
			if out.Code != supervisor.ExitNotSwappable && out.Code != supervisor.ExitFailure || !strings.Contains(out.Text, tt.says) {
				t.Errorf("got %+v", out)
			}
			if got := history(t, store); len(got) != 0 {
				t.Errorf("records: %+v", got)
			}
			if diff := cmp.Diff(before, processes(t, n.Master)); diff != "" {
				t.Errorf("the processes are not the same: %s", diff)
			}
			stop()
		})
	}
}

func appendNew(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestPIDFileOfAUnit is about units: systemd knows the master, and its pid
// file has to be such that USR2 can rename it.
func TestPIDFileOfAUnit(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(*testing.T, *nginxtest.Nginx, *fakeUnit)
		says  []string
	}{
		"missing": {func(t *testing.T, n *nginxtest.Nginx, _ *fakeUnit) { remove(t, n.PIDPath()) },
			[]string{"no pid file names master", "restore it: echo"}},
		"another's": {func(t *testing.T, n *nginxtest.Nginx, _ *fakeUnit) {
			appendNew(t, n.PIDPath(), fmt.Sprint(os.Getpid()))
		},
			[]string{"no pid file names master", "restore it: echo"}},
		"of another name": {func(t *testing.T, n *nginxtest.Nginx, u *fakeUnit) {
			u.change(func(s *systemd.State) { s.PIDFile = n.PIDPath() + ".unit" })
		}, []string{"the unit has PIDFile=", ".unit", "make PIDFile= and the `pid` directive agree"}},
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, traffic.Site{})
			stop := lightTraffic(t, n)
			before := processes(t, n.Master)
			unit := newFakeUnit("nginx.service", n.PIDPath(), n.Master)
			s, store := unitSupervisor(t, unit)
			nginxtest.Install(t, n.Binary, newer(t, n))
			tt.spoil(t, n, unit)
			for range 2 {
				out := s.Once(t.Context(), request(supervisor.WaitDone))
				if out.Code != supervisor.ExitRejected {
					t.Errorf("got %+v", out)
				}
				for _, words := range tt.says {
					if !strings.Contains(out.Text, words) {
						t.Errorf("it says %q, which lacks %q", out.Text, words)
					}
				}
			}
			if got := history(t, store); len(got) != 1 {
				t.Errorf("%d records: %+v", len(got), got)
			}
			if diff := cmp.Diff(before, processes(t, n.Master)); diff != "" {
				t.Errorf("the processes are not the same: %s", diff)
			}
			stop()
		})
	}
}

func unitSupervisor(t *testing.T, unit *fakeUnit) (*supervisor.Supervisor, supervisor.Store) {
	t.Helper()
	store, c := newStore(t), quick()
	o := options(t, store, c)
	o.Systemd = unit
	return supervisor.New(supervisor.InstanceConfig{Name: "test", Unit: unit.Name(), Upgrade: c.Upgrade}, o), store
}

// TestPIDFileVanishesWhileAttached takes the pid file away from a master that
// is looked after already: with USR2 it would fail to rename it, and from then
// on take no signal any more.
func TestPIDFileVanishesWhileAttached(t *testing.T) {
	n := start(t, traffic.Site{})
	stop := lightTraffic(t, n)
	before := processes(t, n.Master)
	d := run(t, n, newStore(t), quick())
	d.upToDate(t)
	remove(t, n.PIDPath())
	nginxtest.Install(t, n.Binary, newer(t, n))
	out, err := d.Upgrade(t.Context(), request(supervisor.WaitDone))
	if err != nil || out.Code != supervisor.ExitRejected || !strings.Contains(out.Text, "pid file") {
		t.Errorf("got %+v, %v", out, err)
	}
	appendNew(t, n.PIDPath(), fmt.Sprintln(n.Master))
	if diff := cmp.Diff(before, processes(t, n.Master)); diff != "" {
		t.Errorf("the processes are not the same: %s", diff)
	}
	out, err = d.Upgrade(t.Context(), request(supervisor.WaitDone))
	if err != nil || out.Code != supervisor.ExitOK || out.Result != supervisor.Upgraded {
		t.Errorf("with the file back: %+v, %v", out, err)
	}
	stop()
}
