package supervisor_test

import (
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// TestConcurrency upgrades two instances at the same time: with one place in the
// line the second begins when the first has its verdict, with two it does not
// wait.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		places  int
		overlap bool
	}{"one at a time": {1, false}, "two at a time": {2, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := supervisor.NewLine(tt.places)
			c := quick()
			c.Automatic, c.Upgrade.SoakSec = false, time.Second
			var answers []<-chan supervisor.Outcome
			var stores []supervisor.Store
			for range 2 {
				n := start(t, traffic.Site{})
				store := newStore(t)
				r := run(t, n, store, c, func(o *supervisor.Options) { o.Line = line })
				r.upToDate(t)
				nginxtest.Install(t, n.Binary, newer(t, n))
				answers, stores = append(answers, r.ask(t, request(supervisor.WaitDone))), append(stores, store)
			}
			var from, to []time.Time
			for i, answer := range answers {
				if out := <-answer; out.Result != supervisor.Upgraded {
					t.Fatalf("got %+v", out)
				}
				for _, step := range history(t, stores[i])[0].Steps {
					switch step.Phase {
					case supervisor.Starting:
						from = append(from, step.Started)
					case supervisor.Soaking:
						to = append(to, step.Started.Add(c.Upgrade.SoakSec)) // the verdict is no earlier
					}
				}
			}
			if got := from[0].Before(to[1]) && from[1].Before(to[0]); got != tt.overlap {
				t.Errorf("two generations each at the same time: %v; from %v to %v", got, from, to)
			}
		})
	}
}
