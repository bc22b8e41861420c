package box

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

//go:embed root.sh
var rootScript string

// lockPoll is the interval of the looks at another process's build, which takes
// minutes.
const lockPoll = 200 * time.Millisecond

// Root returns a directory with a minimal Debian of that release ("bullseye",
// "trixie", ...) that has systemd and nginx, to be the Base of machines. It is
// built at the first call, from the mirrors in the host's own apt sources and with
// the release's security updates, in a minute or two with the build's output in
// log, and kept in the user's cache directory: remove it there to have a new one.
// Needs what [Check] looks for, debootstrap and the network.
func Root(ctx context.Context, release string, log io.Writer) (string, error) {
	if err := CheckRelease(release); err != nil {
		return "", err
	}
	dir, err := CacheDir(roots)
	if err != nil {
		return "", err
	}
	root := filepath.Join(dir, release)
	if exists(root) {
		return root, nil
	}
	unlock, err := lockBuild(ctx, root)
	if err != nil {
		return "", fmt.Errorf("cannot wait for another build of %s: %w", release, err)
	}
	defer unlock()
	if exists(root) {
		return root, nil
	}
	if err := build(ctx, release, root, log); err != nil {
		return "", fmt.Errorf("cannot build a root of %s: %w", release, err)
	}
	return root, nil
}

// CachedRoot returns the root of the release if [Root] would return it at once.
func CachedRoot(release string) (root string, ok bool) {
	dir, err := CacheDir(roots)
	root = filepath.Join(dir, release)
	return root, err == nil && CheckRelease(release) == nil && exists(root)
}

// roots is the part of the cache with the roots, by release.
const roots = "roots"

// exists holds for complete roots only: they get their name when they are.
func exists(root string) bool {
	_, err := os.Stat(root)
	return err == nil
}

// lockBuild takes the lock on the build of root. It goes with the process.
func lockBuild(ctx context.Context, root string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(root+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(err, f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), f.Close())
		case <-tick.C:
		}
	}
}

// build makes root beside its place and moves it there when it is complete. The
// remains of a build that was killed are removed first: under the lock, they are
// nobody's.
func build(ctx context.Context, release, root string, log io.Writer) error {
	if err := Check(); err != nil {
		return err
	}
	if _, err := exec.LookPath("debootstrap"); err != nil {
		return errors.New("debootstrap is needed: install debootstrap")
	}
	m, err := hostMirrors(ctx)
	if err != nil {
		return err
	}
	partial := root + ".partial"
	if err := errors.Join(os.RemoveAll(partial), os.Mkdir(partial, 0o755)); err != nil {
		return err
	}
	cmd := unshareCommand(rootScript, partial, release, m.archive, m.securityOf(release))
	cmd.Env = append(cmd.Env, proxies()...)
	if err := runTied(ctx, cmd, log); err != nil {
		return errors.Join(err, os.RemoveAll(partial))
	}
	return os.Rename(partial, root)
}

// runTied runs cmd until it ends, or ctx or this process does. Its error has the
// end of the output.
func runTied(ctx context.Context, cmd *exec.Cmd, log io.Writer) error {
	out := console{log: log}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	done, err := startTied(cmd)
	if err != nil {
		return err
	}
	select {
	case <-done:
	case <-ctx.Done():
		err := cmd.Process.Kill()
		<-done
		return errors.Join(context.Cause(ctx), err)
	}
	if !cmd.ProcessState.Success() {
		return fmt.Errorf("%v: %s", cmd.ProcessState, bytes.TrimSpace(out.tail))
	}
	return nil
}

// proxies returns what the environment says of the way to the mirrors.
func proxies() (env []string) {
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}
