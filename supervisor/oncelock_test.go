package supervisor_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// A hook that does the cycle by itself runs within the transaction, whose end it
// cannot wait for: a condemned build stays on disk then, and that is told.
func TestHookWithoutDaemonDoesNotWaitForItsTransaction(t *testing.T) {
	t.Parallel()
	n := start(t, site(t))
	lock := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lockFile(t, lock, unix.F_WRLCK) // to the end
	c, log, store := quick(), &logBuffer{testWriter: testWriter{t}}, newStore(t)
	r := run(t, n, store, c)
	r.upToDate(t)
	r.stop()
	o := options(t, store, c)
	o.PackageLocks = []supervisor.PackageLock{{Path: lock, Kind: unix.F_WRLCK}}
	log.into(&o)
	nginxtest.Install(t, n.Binary, makeBad(t, n, badnginx.CrashAtStart, 0))
	q := request(supervisor.WaitVerdict)
	q.Origin = supervisor.OriginDpkg
	answer := make(chan supervisor.Outcome, 1)
	go func() { answer <- supervisor.New(instanceOf(n, c), o).Once(t.Context(), q) }()
	var out supervisor.Outcome
	nginxtest.Eventually(t, "the hook ends", func() bool {
		select {
		case out = <-answer:
			return true
		default:
			return false
		}
	})
	if out.Code != supervisor.ExitRolledBack {
		t.Errorf("got %+v", out)
	}
	if log.count("stays on disk") != 1 {
		t.Error("that the condemned build stays is not told")
	}
	requireServer(t, n, n.Version)
}
