package main

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
)

// untilLimit is for a slow machine; the stories wait for tenths of a second.
const untilLimit = 60 * time.Second

// badDigit ends the version of the builds that `bad` writes.
const badDigit = '8'

// storyCommands are the commands of the stories:
//
//	serve                      start nginx
//	exits STATUS COMMAND...    run a command that ends with this status
//	until PATTERN COMMAND...   repeat a command until its output matches
//	expand FILE...             replace $VARIABLES in files
//	bad KIND FILE              write a build that goes wrong, see badnginx.Kind
//	root                       skip the story unless root runs it
//	terminate                  send SIGTERM to all background commands
//	hangup                     send SIGHUP to all background commands
var storyCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"serve":     serve,
	"exits":     exits,
	"until":     until,
	"expand":    expand,
	"bad":       bad,
	"root":      root,
	"terminate": sends("terminate", syscall.SIGTERM),
	"hangup":    sends("hangup", syscall.SIGHUP),
}

func serve(ts *testscript.TestScript, neg bool, args []string) {
	s, ok := ts.Value("server").(*server)
	if neg || len(args) > 0 || !ok {
		ts.Fatalf("usage: serve")
	}
	ts.Check(s.start())
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
	var last []byte
	for deadline := time.Now().Add(untilLimit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		// It may fail until its time has come. ts.Exec would write every try
		// into the log.
		cmd := exec.Command(args[1], args[2:]...)
		cmd.Dir = ts.Getenv("WORK")
		cmd.Env = append(os.Environ(), directoryVariable+"="+ts.Getenv(directoryVariable))
		last, _ = cmd.CombinedOutput()
		if pattern.Match(last) {
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

func bad(ts *testscript.TestScript, neg bool, args []string) {
	s, ok := ts.Value("server").(*server)
	if neg || len(args) != 2 || !ok {
		ts.Fatalf("usage: bad KIND FILE")
	}
	build := badnginx.Make(s.tb, s.Dir, badnginx.Kind(args[0]), badDigit)
	ts.Check(nginxtest.WriteProgram(s.tb.Context(), ts.MkAbs(args[1]), build))
}

func root(ts *testscript.TestScript, neg bool, args []string) {
	s, ok := ts.Value("server").(*server)
	if neg || len(args) > 0 || !ok {
		ts.Fatalf("usage: root")
	}
	if os.Geteuid() != 0 {
		nginxtest.Unable(s.tb, "only root may see whether a package transaction runs")
	}
}

func sends(name string, signal syscall.Signal) func(ts *testscript.TestScript, neg bool, args []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		background := ts.BackgroundCmds()
		if neg || len(args) > 0 || len(background) == 0 {
			ts.Fatalf("usage: %s, with commands in the background", name)
		}
		for _, cmd := range background {
			ts.Check(cmd.Process.Signal(signal))
		}
	}
}
