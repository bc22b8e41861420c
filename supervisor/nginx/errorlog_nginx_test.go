package nginx_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// crash ends a worker by SIGSEGV and waits for the line about it.
func crash(t *testing.T, master *nginx.Process, log *nginx.ErrorLog) {
	t.Helper()
	var worker *nginx.Process
	nginxtest.Eventually(t, "there is a worker", func() bool {
		tree, err := nginx.ReadTree(master.ID)
		if err != nil || len(tree.With(nginx.RoleWorker)) == 0 {
			return false
		}
		worker, err = nginx.OpenID(tree.With(nginx.RoleWorker)[0].ID)
		return err == nil
	})
	defer worker.Close()
	if err := worker.Signal(unix.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	nginxtest.Eventually(t, "the master logs the end of the worker", func() bool {
		lines, _, err := log.Read()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			c, ok := l.Child()
			if ok && c.PID == worker.PID && c.Process == "worker process" && c.Exit.Signal == unix.SIGSEGV && l.PID == master.PID {
				return true
			}
		}
		return false
	})
}

func TestErrorLogOfNginx(t *testing.T) {
	n := nginxtest.Start(t, traffic.Site{})
	master, err := nginx.Open(n.Master)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	log, err := nginx.OpenErrorLog(master)
	if err != nil {
		nginxtest.Unable(t, err.Error())
	}
	defer log.Close()
	if log.Files() != 1 {
		t.Errorf("it follows %d files", log.Files())
	}
	crash(t, master, log)

	// Rotated, but the master has not been told yet.
	if err := os.Rename(n.ErrorLogPath(), n.ErrorLogPath()+".1"); err != nil {
		t.Fatal(err)
	}
	crash(t, master, log)

	if err := master.Signal(unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	nginxtest.Eventually(t, "the log is reopened", func() bool { return nginxtest.Exists(n.ErrorLogPath()) })
	// The master opens the file first and takes it over a moment later.
	nginxtest.Eventually(t, "the master writes to the new log", func() bool {
		link, err := os.Readlink("/proc/" + master.String() + "/fd/2")
		return err == nil && link == n.ErrorLogPath()
	})
	if err := log.Reopen(); err != nil {
		t.Fatal(err)
	}
	crash(t, master, log)
	if log.Files() != 1 {
		t.Errorf("it follows %d files", log.Files())
	}
}

// What a binary says that cannot become a successor is explained by the log of
// the old master.
func TestErrorLogOfFailedUpgrade(t *testing.T) {
	n := nginxtest.Start(t, traffic.Site{})
	master, err := nginx.Open(n.Master)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	log, err := nginx.OpenErrorLog(master)
	if err != nil {
		nginxtest.Unable(t, err.Error())
	}
	defer log.Close()
	if err := os.WriteFile(n.ConfigPath(), []byte("nonsense;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := master.Signal(unix.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	explained, ended := false, false
	nginxtest.Eventually(t, "the failure is logged", func() bool {
		lines, _, err := log.Read()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			c, ok := l.Child()
			ended = ended || ok && c.Process == "new binary process" && c.Exit == nginx.Exit{Known: true, Code: 1}
			explained = explained || l.Level == "emerg" && l.Text == `unknown directive "nonsense" in `+n.ConfigPath()+":1"
		}
		return explained && ended
	})
}
