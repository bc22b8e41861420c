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
)

func TestRunOnce(t *testing.T) {
	w, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
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

// Every one of many files that change at the same time is poked once, and Follow from many goroutines is safe.
func TestManyFilesAtOnce(t *testing.T) {
	t.Parallel()
	w, err := New(Options{Settle: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
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
