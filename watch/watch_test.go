package watch

import (
	"context"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestRunOnce(t *testing.T) {
	w := New(Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx); err != nil {
		t.Errorf("Run: %v, want nil at the end of its context", err)
	}
	if err := w.Run(ctx); err == nil {
		t.Error("a second Run gives no error")
	}
	w.Follow("/none") // does not block, whether Run goes on or not
	w.Follow("/none", "/nothing")
}

// Without inotify files are looked at now and then.
func TestWithoutInotify(t *testing.T) {
	t.Parallel()
	w := newDeaf(Options{Settle: -1}, unix.EMFILE)
	w.rescan = 20 * time.Millisecond
	file := filepath.Join(realDir(t), "nginx")
	write(t, file, "old")
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = w.Run(ctx) })
	defer running.Wait()
	defer cancel()
	w.Follow(file)
	write(t, file, "newer")
	select {
	case p := <-w.Pokes():
		if p.Path != file {
			t.Errorf("got %+v", p)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no poke")
	}
	select {
	case p := <-w.Pokes():
		t.Errorf("another poke for the same change: %+v", p)
	case <-time.After(5 * w.rescan):
	}
}

// Every one of many files that change at the same time is poked once, and Follow from many goroutines is safe.
func TestManyFilesAtOnce(t *testing.T) {
	t.Parallel()
	w := New(Options{Settle: 200 * time.Millisecond})
	dir := realDir(t)
	var files []string
	for i := range 100 {
		files = append(files, filepath.Join(dir, strconv.Itoa(i)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = w.Run(ctx) })
	defer running.Wait()
	defer cancel()
	var following sync.WaitGroup
	for range 4 {
		following.Go(func() { w.Follow(files...) })
	}
	following.Wait()
	for _, f := range files {
		write(t, f, "new")
	}
	left := map[string]bool{}
	for _, f := range files {
		left[f] = true
	}
	for deadline := time.After(patience); len(left) > 0; {
		select {
		case p := <-w.Pokes():
			if !left[p.Path] {
				t.Fatalf("%s is poked twice", p.Path)
			}
			delete(left, p.Path)
		case <-deadline:
			t.Fatalf("%d files are not poked", len(left))
		}
	}
}

// The package is for everybody who replaces files: it must not come to know nginx, nor run programs.
func TestImports(t *testing.T) {
	allowed := map[string]bool{
		"github.com/fsnotify/fsnotify": true, // inotify
		"golang.org/x/sys/unix":        true, // leases, O_PATH, stat
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if path == "os/exec" || (strings.Contains(path, ".") && !allowed[path]) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}
