package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// directoryVariable names the directory in which a story's commands have their
// files instead of the machine's own, so that the stories read as a user types.
const directoryVariable = "NGINX_HOTSWAP_TEST_DIRECTORY"

func TestMain(m *testing.M) {
	lookLimit = time.Minute // what is offered must not depend on how busy the machine is
	testscript.Main(m, map[string]func(){"nginx-hotswap": func() {
		if dir := os.Getenv(directoryVariable); dir != "" {
			os.Args = append([]string{os.Args[0], "--config", dir + "/etc/nginx-hotswap.conf",
				"--runtime-directory", dir + "/run", "--state-directory", dir + "/lib"}, os.Args[1:]...)
		}
		main()
	}})
}

// TestScript runs the user stories of testdata/script. Each has an nginx of its
// own, started by hand from a directory of its own:
//
//	$NGINX     the binary that the story may replace
//	$NEWER     another build, of version $VERSION2 instead of $VERSION
//	$VERSION3  the version of the builds that the command `bad` writes
//	$PIDFILE   names the master
//	$CONFIG    its configuration
//	$DIR       all files of nginx are below it
//
// Besides testscript's own commands there are those of storyCommands.
func TestScript(t *testing.T) {
	distribution(t) // skips here when there is none
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: setUpStory,
		Cmds:  storyCommands,
	})
}

func setUpStory(env *testscript.Env) error {
	n, err := newServer(env.T().(testing.TB))
	if err != nil {
		return err
	}
	env.Values["server"] = n
	for name, value := range map[string]string{
		"NGINX": n.binary, "NEWER": n.newer, "VERSION": n.version, "VERSION2": n.versionOfNewer,
		"VERSION3": n.version[:len(n.version)-1] + string(badDigit),
		"DIR":      n.Dir, "PIDFILE": n.PIDPath(), "CONFIG": n.ConfigPath(),
		directoryVariable: env.WorkDir,
	} {
		env.Setenv(name, value)
	}
	// The shortest configuration in which every phase is gone through. The
	// units of the machine that the test runs on are none of its business.
	const config = "[Supervisor]\nUnits=nginx-hotswap-test-none.service\nSettleSec=100ms\n" +
		"[Upgrade]\nSoakSec=300ms\nKeepOldSec=200ms\nStartTimeoutSec=1min\nDismissTimeoutSec=5s\n"
	if err := os.MkdirAll(env.WorkDir+"/etc/nginx-hotswap.conf.d", 0o755); err != nil {
		return err
	}
	return os.WriteFile(env.WorkDir+"/etc/nginx-hotswap.conf.d/00-test.conf", []byte(config), 0o644)
}

func TestWithoutRights(t *testing.T) {
	dial := fmt.Errorf("only root may speak to the daemon: %w", &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", unix.EACCES)})
	file := &fs.PathError{Op: "open", Path: "/var/lib/nginx-hotswap/history", Err: unix.EACCES}
	for _, tt := range []struct {
		err  error
		user int
		want string
	}{
		{dial, 1000, "; run it with sudo, or ask over the system bus (busctl)"},
		{file, 1000, "; run it with sudo"},
		{errors.New("something else"), 1000, ""},
		{dial, 0, ""},
	} {
		if got := withoutRights(tt.err, tt.user); got != tt.want {
			t.Errorf("%v of user %d: %q, want %q", tt.err, tt.user, got, tt.want)
		}
	}
}
