package supervisor

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// busyUnit has a job. What tells it of anything fails.
type busyUnit struct{ Unit }

func (busyUnit) Name() string { return "nginx.service" }

func (busyUnit) State(context.Context) (systemd.State, error) {
	return systemd.State{Name: "nginx.service", ActiveState: "reloading", JobID: 4711, JobType: "reload", PIDFile: "/run/nginx.pid"}, nil
}

func (busyUnit) Notify(int, ...string) error { return errors.New("nobody listens") }

// A cycle may wait in the line for long. What somebody else does meanwhile to the
// old master is not taken for its own USR2, and not followed by one.
func TestWhileWaitingInLine(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(t *testing.T, s *Supervisor){
		"upgraded": func(t *testing.T, s *Supervisor) {
			if err := s.current.Signal(unix.SIGUSR2); err != nil {
				t.Fatal(err)
			}
			nginxtest.Eventually(t, "there is a successor", func() bool {
				tree, err := nginx.ReadTree(s.current.ID)
				return err == nil && len(tree.Successors()) == 1 && nginx.IsMaster(tree.Successors()[0].PID)
			})
		},
		"frozen": func(t *testing.T, s *Supervisor) {
			if err := s.current.Signal(unix.SIGWINCH); err != nil {
				t.Fatal(err)
			}
			nginxtest.Eventually(t, "nobody accepts", func() bool {
				tree, err := nginx.ReadTree(s.current.ID)
				return err == nil && len(tree.With(nginx.RoleWorker)) == 0
			})
		},
		"being reloaded": func(_ *testing.T, s *Supervisor) { s.current.unit = busyUnit{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := nginxtest.Start(t, traffic.Site{})
			s := attachTo(t, n)
			nginxtest.Eventually(t, "it is up", func() bool {
				busy, err := s.current.busy()
				return err == nil && busy == ""
			})
			newer, version := n.Newer(t, '9')
			nginxtest.Install(t, n.Binary, newer)
			found, err := s.compare(s.current)
			if err != nil || found == nil {
				t.Fatalf("no candidate: %v", err)
			}
			c := s.newCycle(t.Context(), s.current, &Record{Version: recordVersion, ID: newID(time.Now()), Instance: "test", Origin: OriginWatch,
				Old:       Generation{PID: s.current.PID, Start: s.current.Start, Version: s.current.build.Number, SHA256: s.current.build.SHA256},
				Successor: Generation{Version: version, SHA256: found.build.SHA256}})
			defer c.close()
			c.candidate = found
			meanwhile(t, s)
			before := n.Masters(t)
			result, err := c.run(t.Context(), Starting)
			if err != nil || result != Deferred || s.attachment.Refused.Reason != string(ReasonUnitBusy) {
				t.Errorf("got %s, %v, %+v", result, err, s.attachment.Refused)
			}
			if now := n.Masters(t); len(now) != len(before) || !s.current.Alive() {
				t.Errorf("masters %v, before %v", now, before)
			}
		})
	}
}
