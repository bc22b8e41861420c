package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/internal/nginxtest"
)

// flagsVariable has the flags that keep a story's command away from the
// machine's own files, so that the stories read as a user types.
const flagsVariable = "NGINX_HOTSWAP_TEST_DIRECTORY"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"nginx-hotswap": func() {
		if dir := os.Getenv(flagsVariable); dir != "" {
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
//	$PIDFILE   names the master
//	$CONFIG    its configuration
//	$LISTEN    where it listens, HOST:PORT
//
// Besides testscript's own commands there are those of storyCommands.
func TestScript(t *testing.T) {
	nginxtest.Distribution(t) // skips here when there is none
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: false,
		Setup:               setUpStory,
		Cmds:                storyCommands,
	})
}

func setUpStory(env *testscript.Env) error {
	tb := env.T().(testing.TB)
	n := nginxtest.Prepare(tb, traffic.Site{})
	newer, version := n.Newer(tb, '9')
	path := n.Dir + "/nginx-newer"
	nginxtest.Install(tb, path, newer)
	env.Values["nginx"] = n
	for name, value := range map[string]string{
		"NGINX": n.Binary, "NEWER": path, "VERSION": n.Version, "VERSION2": version,
		"PIDFILE": n.PIDPath(), "CONFIG": n.ConfigPath(), "LISTEN": n.Listen,
		flagsVariable: env.WorkDir,
	} {
		env.Setenv(name, value)
	}
	// The shortest configuration in which every phase is gone through. The
	// units of the machine that the test runs on are none of its business.
	const config = "[Supervisor]\nUnits=nginx-hotswap-test-none.service\nSettleSec=100ms\n" +
		"[Upgrade]\nSoakSec=300ms\nKeepOldSec=200ms\nStartTimeoutSec=10s\nDismissTimeoutSec=5s\n"
	if err := os.MkdirAll(env.WorkDir+"/etc/nginx-hotswap.conf.d", 0o755); err != nil {
		return err
	}
	return os.WriteFile(env.WorkDir+"/etc/nginx-hotswap.conf.d/00-test.conf", []byte(config), 0o644)
}
