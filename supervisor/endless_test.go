package supervisor_test

import (
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// Whoever gives a step all the time there is still gets the old version back at
// once: only what does not come to an end by itself is waited for.
func TestRollbackWithoutLimits(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*supervisor.UpgradeConfig){
		"DismissTimeoutSec=infinity": func(c *supervisor.UpgradeConfig) { c.DismissTimeoutSec = supervisor.Infinity },
		"StartTimeoutSec=infinity":   func(c *supervisor.UpgradeConfig) { c.StartTimeoutSec = supervisor.Infinity },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := start(t, traffic.Site{Unix: unixSocket(t)})
			c := quick()
			c.Upgrade.SoakSec = time.Hour
			change(&c.Upgrade)
			r := runByHand(t, n, newStore(t), c)
			stop := lightTraffic(t, n)
			data, _ := n.Newer(t, '9')
			nginxtest.Install(t, n.Binary, data)
			goBack(t, r, r.askUntil(t, request(supervisor.WaitDone), supervisor.Soaking))
			stop()
			requireOldServes(t, n)
		})
	}
}
