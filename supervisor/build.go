package supervisor

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// Build is what a master runs as code, or would run.
type Build struct {
	nginx.Version
	SHA256 string
	// Libraries is the digest of the modules and libraries that go with it, as
	// far as the running master has them mapped; empty where nobody has looked.
	Libraries string
}

// Key identifies a build for what is remembered of it: with another module or
// library it is another build.
func (b Build) Key() string { return buildKey(b.SHA256, b.Libraries) }

func buildKey(sha256, libraries string) string {
	if libraries == "" {
		return sha256
	}
	return sha256 + "+" + hash8(libraries)
}

// Short is how a build is named in sentences: 1.26.3 (3f9c2a41…).
func (b Build) Short() string { return fmt.Sprintf("%s (%s…)", b.Number, hash8(b.SHA256)) }

func hash8(sha string) string { return sha[:min(8, len(sha))] }

// Builds remembers what is known of files, so that two hundred masters of one
// binary cost one hash and one -V. It may be shared by instances.
type Builds struct {
	mu    sync.Mutex
	tests chan struct{} // places for those who run nginx -t
	known map[fileKey]Build
	files map[fileKey]string // SHA-256 of modules and libraries
}

// maxTests is how many configurations are tested at the same time: each test is
// a unit of its own for PID 1.
const maxTests = 4

// test waits for a place to test a configuration in. done gives it back.
func (b *Builds) test(ctx context.Context) (done func(), err error) {
	b.mu.Lock()
	if b.tests == nil {
		b.tests = make(chan struct{}, maxTests)
	}
	tests := b.tests
	b.mu.Unlock()
	select {
	case tests <- struct{}{}:
		return func() { <-tests }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// fileKey identifies contents for as long as nobody writes to the file.
type fileKey struct {
	dev, ino uint64
	size     int64
	mtime    time.Time
}

func keyOf(info os.FileInfo) (fileKey, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileKey{}, false
	}
	return fileKey{uint64(st.Dev), st.Ino, info.Size(), info.ModTime()}, true
}

// Of returns the build that an open file holds. It is executed with -V.
func (b *Builds) Of(ctx context.Context, f *os.File) (Build, error) {
	// The file itself: what its name leads to may be another by now.
	path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())
	info, err := f.Stat()
	if err != nil {
		return Build{}, err
	}
	key, ok := keyOf(info)
	if !ok {
		return Build{}, fmt.Errorf("cannot identify %s", f.Name())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if build, ok := b.known[key]; ok {
		return build, nil
	}
	sha, err := nginx.HashFile(f)
	if err != nil {
		return Build{}, fmt.Errorf("cannot read %s: %w", f.Name(), err)
	}
	version, err := nginx.ReadVersion(ctx, path)
	if err != nil {
		return Build{SHA256: sha}, err
	}
	if b.known == nil || len(b.known) > 1000 {
		b.known = make(map[fileKey]Build)
	}
	build := Build{Version: version, SHA256: sha}
	b.known[key] = build
	return build, nil
}

// hash returns the SHA-256 of an open file, which is remembered.
func (b *Builds) hash(f *os.File) (string, error) {
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	key, ok := keyOf(info)
	b.mu.Lock()
	defer b.mu.Unlock()
	if sha, known := b.files[key]; ok && known {
		return sha, nil
	}
	sha, err := nginx.HashFile(f)
	if err == nil && ok {
		if b.files == nil || len(b.files) > 10000 {
			b.files = make(map[fileKey]string)
		}
		b.files[key] = sha
	}
	return sha, err
}
