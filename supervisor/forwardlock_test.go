package supervisor_test

import (
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// A daemon that was started anew waits for the end of a package transaction, too,
// before it puts the kept binary in the place of a condemned one that is all that
// serves; a hook of the transaction, which holds the lock, does not wait with it.
func TestGoesForwardAfterTheTransaction(t *testing.T) {
	t.Parallel()
	c := quick()
	c.Automatic = false
	c.Upgrade.SoakSec = time.Hour
	n, store, change, unlock := lostInTransaction(t, c)
	bad := readFile(t, n.Binary)
	next := run(t, n, store, c, change)
	next.waitFor(t, "it waits", func(s supervisor.Status) bool { return s.Phase == supervisor.Restoring })
	q := request(supervisor.WaitDone)
	q.Origin = supervisor.OriginDpkg
	select {
	case out := <-next.ask(t, q):
		if out.Result != supervisor.RolledBack && out.Result != supervisor.Lost {
			t.Errorf("got %+v", out)
		}
	case <-time.After(10 * time.Second):
		t.Error("the hook waits for the lock that it holds")
	}
	time.Sleep(2 * time.Second)
	if readFile(t, n.Binary) != bad {
		t.Error("the file was exchanged in the middle of a package transaction")
	}
	unlock()
	nginxtest.Eventually(t, "the kept binary is back", func() bool { return readFile(t, n.Binary) != bad })
}
