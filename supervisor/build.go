package supervisor

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync"

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
func (b Build) Short() string {
	return fmt.Sprintf("%s (%s…)", cmp.Or(b.Number, "of unknown version"), hash8(b.SHA256))
}

func hash8(sha string) string { return sha[:min(8, len(sha))] }

// Builds remembers what is known of files, so that two hundred masters of one
// binary cost one hash and one -V. It may be shared by instances.
type Builds struct {
	mu    sync.Mutex
	tests chan struct{} // places for those who run nginx -t
	known fileMemo[Build]
	files fileMemo[string] // SHA-256 of modules and libraries
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

// Of returns the build that an open file holds. It is executed with -V.
func (b *Builds) Of(ctx context.Context, f *os.File) (Build, error) {
	key, ok, err := keyOf(f)
	if err != nil {
		return Build{}, err
	}
	if !ok {
		return Build{}, fmt.Errorf("cannot identify %s", f.Name())
	}
	return b.known.of(key, func() (Build, error) {
		sha, err := nginx.HashFile(f)
		if err != nil {
			return Build{}, fmt.Errorf("cannot read %s: %w", f.Name(), err)
		}
		// The file itself: what its name leads to may be another by now.
		version, err := nginx.ReadVersion(ctx, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()))
		if err != nil {
			return Build{SHA256: sha}, err
		}
		return Build{Version: version, SHA256: sha}, nil
	})
}

// hash returns the SHA-256 of an open file, which is remembered.
func (b *Builds) hash(f *os.File) (string, error) {
	key, ok, err := keyOf(f)
	if err != nil {
		return "", err
	}
	if !ok {
		return nginx.HashFile(f)
	}
	return b.files.of(key, func() (string, error) { return nginx.HashFile(f) })
}
