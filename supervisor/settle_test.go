package supervisor_test

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// Whatever makes the supervisor look again while a binary is being put in place
// does not make it hurry, and the wait for the rest is its own.
func TestLookBeforeSettled(t *testing.T) {
	t.Parallel()
	n := start(t, traffic.Site{})
	c := quick()
	c.SettleSec = 2 * time.Second
	r := run(t, n, newStore(t), c)
	r.upToDate(t)
	nginxtest.Install(t, n.Binary, newer(t, n))
	var st unix.Stat_t
	if err := unix.Stat(n.Binary, &st); err != nil {
		t.Fatal(err)
	}
	installed := time.Unix(st.Ctim.Unix())
	r.Poke()
	r.waitFor(t, "it is pending", func(s supervisor.Status) bool { return s.Pending && s.Disk.SHA256 != s.Running.SHA256 })
	r.waitFor(t, "it is upgraded", func(s supervisor.Status) bool { return s.Last != nil && s.Last.Result == supervisor.Upgraded })
	if from := history(t, r.store)[0].Started; from.Before(installed.Add(c.SettleSec)) {
		t.Errorf("written at %v, tried at %v", installed, from)
	}
}
