package supervisor

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

const (
	badText  = "the condemned build"
	goodText = "the kept build, which is longer"
)

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// swap is a directory with a condemned binary, and a kept one elsewhere.
type swap struct {
	root              *nginx.Root
	dir, binary, kept string
}

func newSwap(t *testing.T) swap {
	t.Helper()
	root, err := nginx.HostRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	dir := t.TempDir()
	s := swap{root, dir, filepath.Join(dir, "nginx"), filepath.Join(t.TempDir(), "kept")}
	put(t, s.binary, badText)
	put(t, s.kept, goodText)
	return s
}

func (s swap) exchange() error {
	return exchange(s.root, s.binary, s.kept, sha(goodText), sha(badText))
}

// holds checks the contents of the binary, and that it is alone.
func (s swap) holds(t *testing.T, want string) {
	t.Helper()
	if diff := cmp.Diff(want, readText(t, s.binary)); diff != "" {
		t.Error(diff)
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestExchange(t *testing.T) {
	s := newSwap(t)
	// What an earlier try left when it was killed is no obstacle.
	put(t, filepath.Join(s.dir, restorePrefix+"nginx"), "half a")
	if err := os.Chmod(s.binary, 0o751|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	if err := s.exchange(); err != nil {
		t.Fatal(err)
	}
	s.holds(t, goodText)
	info, err := os.Stat(s.binary)
	if err != nil {
		t.Fatal(err)
	}
	if want := 0o751 | os.ModeSetgid; info.Mode() != want {
		t.Errorf("mode %v, want %v", info.Mode(), want)
	}
	if readText(t, s.kept) != goodText {
		t.Error("the kept build was changed")
	}
	// It has been done: the condemned file is not there any more.
	if err := s.exchange(); !errors.Is(err, errReplaced) {
		t.Errorf("a second time: %v", err)
	}
	s.holds(t, goodText)
}

func TestExchangeKeepsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		nginxtest.Unable(t, "only root may give files away")
	}
	s := newSwap(t)
	if err := os.Chown(s.binary, 1234, 2345); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.binary, 0o755|os.ModeSetuid); err != nil { // chown takes it away
		t.Fatal(err)
	}
	if err := s.exchange(); err != nil {
		t.Fatal(err)
	}
	s.holds(t, goodText)
	info, err := os.Stat(s.binary)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	if st.Uid != 1234 || st.Gid != 2345 || info.Mode() != 0o755|os.ModeSetuid {
		t.Errorf("owner %d:%d, mode %v", st.Uid, st.Gid, info.Mode())
	}
}

func TestExchangeKeepsAttributes(t *testing.T) {
	s := newSwap(t)
	want := map[string]string{"user.origin": "package", "user.empty": ""}
	if os.Geteuid() == 0 {
		// CAP_NET_BIND_SERVICE, permitted and effective, as setcap(8) writes it.
		want["security.capability"] = "\x01\x00\x00\x02\x00\x04" + strings.Repeat("\x00", 14)
	}
	for name, value := range want {
		err := unix.Setxattr(s.binary, name, []byte(value), 0)
		if errors.Is(err, unix.EOPNOTSUPP) {
			nginxtest.Unable(t, "this file system has no extended attributes")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.exchange(); err != nil {
		t.Fatal(err)
	}
	s.holds(t, goodText)
	for name, value := range want {
		got := make([]byte, 256)
		n, err := unix.Getxattr(s.binary, name, got)
		if err != nil || string(got[:n]) != value {
			t.Errorf("%s: %q, %v, want %q", name, got[:max(n, 0)], err, value)
		}
	}
}

func TestExchangeBehindLinks(t *testing.T) {
	s := newSwap(t)
	links := t.TempDir()
	for name, target := range map[string]string{"nginx": "alternative", "alternative": s.binary} {
		if err := os.Symlink(target, filepath.Join(links, name)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(links, "nginx")
	if err := exchange(s.root, path, s.kept, sha(goodText), sha(badText)); err != nil {
		t.Fatal(err)
	}
	s.holds(t, goodText)
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", info, err)
	}
}

func TestExchangeRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, s swap)
		says  string
		left  string
	}{
		"another file on disk": {func(t *testing.T, s swap) { put(t, s.binary, "newer") }, errReplaced.Error(), "newer"},
		"a damaged kept build": {func(t *testing.T, s swap) { put(t, s.kept, goodText+"x") }, "is damaged", badText},
		"no kept build": {func(t *testing.T, s swap) {
			if err := os.Remove(s.kept); err != nil {
				t.Fatal(err)
			}
		}, "no such file", badText},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSwap(t)
			tt.spoil(t, s)
			if err := s.exchange(); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want one with %q", err, tt.says)
			}
			s.holds(t, tt.left)
		})
	}
}

// A file that lands after the first look stays: the exchange is taken back.
func TestExchangeGivesWayToANewerFile(t *testing.T) {
	s := newSwap(t)
	if err := os.Remove(s.kept); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(s.kept, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.exchange() }()
	// It opens the kept build when it has looked at the other one.
	kept, err := os.OpenFile(s.kept, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	nginxtest.Install(t, s.binary, []byte("newer"))
	if _, err := kept.WriteString(goodText); err != nil {
		t.Fatal(err)
	}
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, errReplaced) {
		t.Errorf("error %v", err)
	}
	s.holds(t, "newer")
}

func TestExchangeWithoutAFile(t *testing.T) {
	s := newSwap(t)
	if err := os.Remove(s.binary); err != nil {
		t.Fatal(err)
	}
	if err := s.exchange(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if nginxtest.Exists(s.binary) {
		t.Error("there is a file now that nobody installed")
	}
}

func TestSplitNames(t *testing.T) {
	for list, want := range map[string][]string{
		"":                     nil,
		"user.a\x00":           {"user.a"},
		"user.a\x00user.b\x00": {"user.a", "user.b"},
	} {
		if diff := cmp.Diff(want, splitNames([]byte(list))); diff != "" {
			t.Errorf("%q: %s", list, diff)
		}
	}
}
