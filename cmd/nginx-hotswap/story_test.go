package main

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/internal/nginxtest"
)

// untilLimit is for a slow machine; the stories wait for tenths of a second.
const untilLimit = 60 * time.Second

// storyCommands are the commands of the stories:
//
//	serve                      start nginx and wait until it serves
//	exits STATUS COMMAND...    run a command that ends with this status
//	until PATTERN COMMAND...   repeat a command until its output matches
//	expand FILE...             replace $VARIABLES in files
//	terminate                  send SIGTERM to all background commands
var storyCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"serve":     serve,
	"exits":     exits,
	"until":     until,
	"expand":    expand,
	"terminate": terminate,
}

func serve(ts *testscript.TestScript, neg bool, args []string) {
	tb, ok := ts.Value("testing").(testing.TB)
	n, known := ts.Value("nginx").(*nginxtest.Nginx)
	if neg || len(args) > 0 || !ok || !known {
		ts.Fatalf("usage: serve")
	}
	n.Run(tb)
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		ended, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = ended.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, not %d", got, want)
	}
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND...")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	var last string
	for deadline := time.Now().Add(untilLimit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		// Until its time has come the command may fail, too. Exec would fill
		// the log with every try.
		cmd := exec.Command(args[1], args[2:]...)
		cmd.Path, cmd.Err = lookUp(ts, args[1])
		cmd.Env, cmd.Dir = storyEnvironment(ts), ts.Getenv("WORK")
		out, _ := cmd.CombinedOutput()
		if last = string(out); pattern.MatchString(last) {
			return
		}
	}
	ts.Fatalf("no match for `%s` within %v; the last output was:\n%s", args[0], untilLimit, last)
}

func expand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: expand FILE...")
	}
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
	}
}

func terminate(ts *testscript.TestScript, neg bool, args []string) {
	background := ts.BackgroundCmds()
	if neg || len(args) > 0 || len(background) == 0 {
		ts.Fatalf("usage: terminate, with commands in the background")
	}
	for _, cmd := range background {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}
