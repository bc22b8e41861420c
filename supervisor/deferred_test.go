package supervisor_test

import (
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// What cannot be tried yet, and whose end is no event, is looked at now and then:
// each attempt writes to the disk.
func TestDeferredIsTriedNowAndThen(t *testing.T) {
	t.Parallel()
	for name, busy := range map[string]func(*testing.T, *nginxtest.Nginx, *fakeUnit) (end func()){
		"a writer that is late": func(t *testing.T, n *nginxtest.Nginx, _ *fakeUnit) func() {
			f, err := os.OpenFile(n.Binary, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			return func() { f.Close() }
		},
		"a reload that lasts": func(_ *testing.T, _ *nginxtest.Nginx, unit *fakeUnit) func() {
			unit.change(reloading)
			return func() { unit.change(reloaded) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := start(t, traffic.Site{})
			unit := newFakeUnit("nginx.service", n.PIDPath(), n.Master)
			var changes atomic.Int32 // of the status: a few in each attempt
			r := run(t, n, newStore(t), quick(), func(o *supervisor.Options) {
				o.Systemd, o.OnChange = unit, func() { changes.Add(1) }
			})
			r.upToDate(t)
			nginxtest.Install(t, n.Binary, newer(t, n))
			end := busy(t, n, unit)
			changes.Store(0)
			began := time.Now()
			r.Poke()
			r.waitFor(t, "it waits", func(s supervisor.Status) bool { return s.Phase == supervisor.Idle && s.Pending && s.Reason != "" })
			time.Sleep(2 * time.Second)
			if got, span := changes.Load(), time.Since(began); got == 0 || float64(got) > 20*span.Seconds() {
				t.Errorf("the status has changed %d times in %v", got, span)
			}
			end()
			r.waitFor(t, "it is upgraded", func(s supervisor.Status) bool { return s.Last != nil && s.Last.Result == supervisor.Upgraded })
		})
	}
}
