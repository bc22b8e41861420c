package supervisor_test

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// linked starts an nginx that has a library of its own, as it has libssl, and
// returns the library's path.
func linked(t *testing.T) (*nginxtest.Nginx, string) {
	t.Helper()
	for _, tool := range []string{"gcc", "patchelf"} {
		if _, err := exec.LookPath(tool); err != nil {
			nginxtest.Unable(t, tool+" is not installed")
		}
	}
	n := nginxtest.Prepare(t, traffic.Site{Unix: unixSocket(t)})
	library := filepath.Join(n.Dir, "libextra.so.1")
	installLibrary(t, library, "1")
	if out, err := exec.CommandContext(t.Context(), "patchelf", "--add-needed", library, n.Binary).CombinedOutput(); err != nil {
		t.Fatalf("patchelf: %v\n%s", err, out)
	}
	n.Run(t)
	processes(t, n.Master)
	return n, library
}

// installLibrary puts a library in place as package managers do, by a rename.
func installLibrary(t *testing.T, path, version string) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "extra.c")
	writeFile(t, source, "const char extra_version[] = \"version "+version+"\";\nconst char *extra(void) { return extra_version; }\n")
	out, err := exec.CommandContext(t.Context(), "gcc", "-shared", "-fPIC", "-Wl,-soname,"+filepath.Base(path), "-o", path+".new", source).CombinedOutput()
	if err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// A library that was replaced is a reason for a cycle of its own; the same one
// once more is none.
func TestReplacedLibrary(t *testing.T) {
	t.Parallel()
	n, library := linked(t)
	store := newStore(t)
	r := run(t, n, store, quick())
	r.upToDate(t)
	stop := lightTraffic(t, n)
	installLibrary(t, library, "1")
	r.Poke()
	if out := <-r.ask(t, request(supervisor.WaitDone)); out.Code != supervisor.ExitOK || !strings.Contains(out.Text, "already current") {
		t.Errorf("the same contents: %+v", out)
	}
	installLibrary(t, library, "2")
	r.Poke()
	r.waitFor(t, "it is upgraded", func(s supervisor.Status) bool {
		return s.Last != nil && s.Last.Result == supervisor.Upgraded && s.Phase == supervisor.Idle
	})
	r.upToDate(t)
	stop()
	records := history(t, store)
	if len(records) != 1 || len(records[0].Replaced) != 1 || records[0].Replaced[0] != library {
		t.Errorf("records: %+v", records)
	}
	if masters := n.Masters(t); len(masters) != 1 || masters[0] == n.Master {
		t.Errorf("masters %v, old %d", masters, n.Master)
	}
	// Between one master and the next there is the pid file alone.
	nginxtest.Eventually(t, "the library of the new master is watched", func() bool { return slices.Contains(r.WatchPaths(), library) })
}

// A library that is overwritten in place is dangerous for the workers that run,
// and a reason for a cycle as well.
func TestOverwrittenLibrary(t *testing.T) {
	t.Parallel()
	n, library := linked(t)
	installLibrary(t, library+".2", "2")
	store := newStore(t)
	var log strings.Builder
	var mu sync.Mutex
	r := run(t, n, store, quick(), func(o *supervisor.Options) {
		o.Log = slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil))
	})
	r.upToDate(t)
	writeFile(t, library, readFile(t, library+".2"))
	r.Poke()
	r.waitFor(t, "it is upgraded", func(s supervisor.Status) bool {
		return s.Last != nil && s.Last.Result == supervisor.Upgraded && s.Phase == supervisor.Idle
	})
	r.upToDate(t)
	r.stop()
	if text := log.String(); strings.Count(text, "overwritten in place") != 1 {
		t.Errorf("it was told:\n%s", text)
	}
	if records := history(t, store); len(records) != 1 {
		t.Errorf("%d records", len(records))
	}
}

// lockedWriter is for a log that several goroutines write to.
type lockedWriter struct {
	mu *sync.Mutex
	to *strings.Builder
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

// What was replaced before we came is left alone, and so it is with
// WatchLibraries=no, until somebody asks.
func TestReplacedLibraryIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before bool
		says   string
	}{
		"replaced long before": {true, "it was there before we came"},
		"WatchLibraries=no":    {false, "WatchLibraries=no"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, library := linked(t)
			c := quick()
			c.WatchLibraries = tt.before
			if tt.before {
				installLibrary(t, library, "2")
			}
			store := newStore(t)
			r := run(t, n, store, c)
			r.waitFor(t, "it is attached", func(s supervisor.Status) bool { return s.MainPID == n.Master })
			if !tt.before {
				r.upToDate(t)
				installLibrary(t, library, "2")
			}
			r.Poke()
			r.waitFor(t, "it is pending", func(s supervisor.Status) bool { return strings.Contains(s.Reason, tt.says) })
			if records := history(t, store); len(records) != 0 {
				t.Errorf("records: %+v", records)
			}
			if out := <-r.ask(t, request(supervisor.WaitDone)); out.Result != supervisor.Upgraded {
				t.Errorf("when asked: %+v", out)
			}
		})
	}
}

// A build is refused together with its libraries: with another library it is
// another build, and without a fixed one it is not tried again.
func TestRefusedLibrary(t *testing.T) {
	t.Parallel()
	n, library := linked(t)
	store := newStore(t)
	r := run(t, n, store, quick())
	r.upToDate(t)
	// Without its library the program does not start, and -t tells so.
	writeFile(t, library+".new", "no library")
	if err := os.Rename(library+".new", library); err != nil {
		t.Fatal(err)
	}
	r.Poke()
	r.waitFor(t, "it is refused", func(s supervisor.Status) bool { return s.Last != nil && s.Last.Result == supervisor.Rejected })
	r.Poke()
	installLibrary(t, library, "3")
	r.Poke()
	r.waitFor(t, "the fixed one runs", func(s supervisor.Status) bool {
		return s.Last.Result == supervisor.Upgraded && s.Phase == supervisor.Idle
	})
	if records := history(t, store); len(records) != 2 {
		t.Errorf("%d records", len(records))
	}
}
