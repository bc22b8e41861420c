package watch

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// TestStories runs the scripts in testdata/script. Each is one way in which a file changes, done by the real tool, and says
// how many pokes come of it. Beside testscript's own commands these are there:
//
//	[!can:TOOL,TOOL] skip WHY           where a program, or being root, is missing; in CI that fails
//	follow [-settle=D] [-rescan=D] [-limit=D] FILE...   watch these files; a second call replaces the set. What consists of
//	                                    several changes and must be one poke has a settle that no slow machine exceeds
//	pokes N [REASON...]                 wait until there have been N pokes in all, and see that it stays at N; the last one
//	                                    must have one of the reasons, if any are given
//	hold FILE / scribble TEXT / release keep a file open for writing, write to it, close it
//	overflow                            what inotify says when its queue was full
//	busybinary FILE                     copy sleep(1) to FILE and run it
//	namespace DIR                       make a mount namespace with a tmpfs on DIR; $NS is its root, $NSPID its process
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Values[storyKey{}] = &story{}
			env.Setenv("PATH", env.Getenv("PATH")+":/usr/sbin:/sbin")
			return nil
		},
		Condition: can,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"follow":     follow,
			"pokes":      pokes,
			"hold":       hold,
			"scribble":   scribble,
			"release":    release,
			"overflow":   overflow,
			"busybinary": busyBinary,
			"namespace":  namespace,
		},
	})
}

// patience is how long a story waits for a poke that must come.
const patience = time.Minute

type storyKey struct{}

// story is one script's watcher and what came of it.
type story struct {
	watcher *Watcher
	events  chan<- fsnotify.Event // the watcher's own channels of inotify
	errs    chan<- error
	settle  time.Duration
	held    *os.File

	mu    sync.Mutex
	given []Poke
	log   bytes.Buffer
}

func storyOf(ts *testscript.TestScript) *story { return ts.Value(storyKey{}).(*story) }

func (s *story) pokes() []Poke {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.given)
}

// start makes the watcher of the story and collects its pokes.
func (s *story) start(ts *testscript.TestScript, o Options) {
	o.Log = slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{Level: slog.LevelDebug}))
	n, err := fsnotify.NewWatcher()
	ts.Check(err)
	s.watcher, s.settle = newWatcher(o, n), o.Settle
	s.events, s.errs = n.Events, n.Errors
	s.watcher.events, s.watcher.errs, s.watcher.stop = n.Events, n.Errors, n.Close

	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.watcher.Run(ctx) })
	running.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case p := <-s.watcher.Pokes():
				s.mu.Lock()
				s.given = append(s.given, p)
				s.mu.Unlock()
			}
		}
	})
	ts.Defer(func() { cancel(); running.Wait() })
}

// Write takes the watcher's log, to be shown when the story fails.
func (s *story) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(b)
}

// told returns the watcher's log.
func (s *story) told() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// can is the condition can:TOOL,TOOL.
func can(cond string) (bool, error) {
	tools, ok := strings.CutPrefix(cond, "can:")
	if !ok {
		return false, fmt.Errorf("unknown condition %s", cond)
	}
	why := lacking(strings.Split(tools, ",")...)
	if why != "" && inCI() {
		return false, errors.New(why)
	}
	return why == "", nil
}

func follow(ts *testscript.TestScript, neg bool, args []string) {
	set := flag.NewFlagSet("follow", flag.ContinueOnError)
	settle := set.Duration("settle", 400*time.Millisecond, "")
	rescan := set.Duration("rescan", 0, "")
	limit := set.Duration("limit", 0, "")
	ts.Check(set.Parse(args))
	s := storyOf(ts)
	if s.watcher == nil {
		s.start(ts, Options{Settle: *settle, Rescan: *rescan, WriterLimit: *limit})
	}
	var files []string
	for _, f := range set.Args() {
		files = append(files, ts.MkAbs(f))
	}
	s.watcher.Follow(files...)
	s.armed()
}

// armed waits until the watches of the latest Follow are set, so that a story is about events: an event that is about
// nothing is taken only when the watcher has dealt with what came before.
func (s *story) armed() {
	for len(s.watcher.follows) > 0 {
		time.Sleep(time.Millisecond)
	}
	s.events <- fsnotify.Event{}
}

func pokes(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	s := storyOf(ts)
	for end := time.Now().Add(patience); len(s.pokes()) < want && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(s.settle + 400*time.Millisecond)
	got := s.pokes()
	if len(got) != want {
		ts.Fatalf("got %d pokes, want %d: %v\n%s", len(got), want, got, s.told())
	}
	if reasons := args[1:]; len(reasons) > 0 && !slices.Contains(reasons, string(got[want-1].Reason)) {
		ts.Fatalf("the reason is %s, want one of %v\n%s", got[want-1].Reason, reasons, s.told())
	}
}

func hold(ts *testscript.TestScript, neg bool, args []string) {
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o755)
	ts.Check(err)
	storyOf(ts).held = f
	ts.Defer(func() { _ = f.Close() })
}

func scribble(ts *testscript.TestScript, neg bool, args []string) {
	_, err := storyOf(ts).held.WriteString(strings.Join(args, " "))
	ts.Check(err)
}

func release(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(storyOf(ts).held.Close())
}

func overflow(ts *testscript.TestScript, neg bool, args []string) {
	storyOf(ts).errs <- fsnotify.ErrEventOverflow
}

func busyBinary(ts *testscript.TestScript, neg bool, args []string) {
	sleep, err := exec.LookPath("sleep")
	ts.Check(err)
	binary, err := os.ReadFile(sleep)
	ts.Check(err)
	file := ts.MkAbs(args[0])
	ts.Check(os.WriteFile(file, binary, 0o755))
	spawn(ts, exec.Command(file, "60"))
}

func namespace(ts *testscript.TestScript, neg bool, args []string) {
	cmd := exec.Command("unshare", "--mount", "sh", "-c", `set -e; mount -t tmpfs none "$1" && touch "$1/.mounted" && exec sleep 60`, "-", ts.MkAbs(args[0]))
	spawn(ts, cmd)
	root := fmt.Sprintf("/proc/%d/root", cmd.Process.Pid)
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if unix.Access(root+ts.MkAbs(args[0])+"/.mounted", unix.F_OK) == nil {
			break
		}
		if time.Now().After(end) {
			ts.Fatalf("no mount namespace after %v", patience)
		}
	}
	ts.Setenv("NSPID", strconv.Itoa(cmd.Process.Pid))
	ts.Setenv("NS", root)
}

// spawn starts a process that ends with the story.
func spawn(ts *testscript.TestScript, cmd *exec.Cmd) {
	// Under parallel tests a fork of another one may hold the binary open for writing for an instant.
	err := cmd.Start()
	for range 100 {
		if err == nil || !strings.Contains(err.Error(), unix.ETXTBSY.Error()) {
			break
		}
		time.Sleep(10 * time.Millisecond)
		cmd = exec.Command(cmd.Path, cmd.Args[1:]...)
		err = cmd.Start()
	}
	ts.Check(err)
	ts.Defer(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}
