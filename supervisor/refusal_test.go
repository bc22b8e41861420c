package supervisor_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// TestRefusals puts candidates in place that must not be tried: the answer
// names the reason and the remedy, the running master does not notice, and
// with the good binary back everything is as it was.
func TestRefusals(t *testing.T) {
	for name, r := range refusals {
		t.Run(name, func(t *testing.T) {
			if r.root && os.Geteuid() != 0 {
				nginxtest.Unable(t, "needs root")
			}
			n := start(t, r.site)
			good, err := os.ReadFile(n.Binary)
			if err != nil {
				t.Fatal(err)
			}
			stop := lightTraffic(t, n)
			before := processes(t, n.Master)
			store := newStore(t)
			s := supervisor.New(instanceOf(n, quick()), options(t, store, quick()))
			r.spoil(t, n)
			r.asks(t, s)
			r.asks(t, s) // the second time is recorded no more
			if got := history(t, store); len(got) != r.records {
				t.Errorf("%d records, want %d: %+v", len(got), r.records, got)
			}
			if r.repair != nil {
				r.repair(t, n)
			}
			putBack(t, n, good)
			out := s.Once(t.Context(), request(supervisor.WaitDone))
			if out.Code != supervisor.ExitOK || !strings.Contains(out.Text, "already current") {
				t.Errorf("with the good binary back: %+v", out)
			}
			if diff := cmp.Diff(before, processes(t, n.Master)); diff != "" {
				t.Errorf("the processes are not the same: %s", diff)
			}
			stop()
		})
	}
}

func (r refusal) asks(t *testing.T, s *supervisor.Supervisor) {
	t.Helper()
	out := s.Once(t.Context(), request(supervisor.WaitDone))
	result := supervisor.Rejected
	if r.code == supervisor.ExitDeferred {
		result = supervisor.Deferred
	}
	if out.Code != r.code || out.Result != result {
		t.Errorf("got %+v, want code %d, %s", out, r.code, result)
	}
	for _, words := range r.says {
		if !strings.Contains(out.Text, words) {
			t.Errorf("it says %q, which lacks %q", out.Text, words)
		}
	}
}

// putBack installs the binary that runs, with everything around it in order.
func putBack(t *testing.T, n *nginxtest.Nginx, good []byte) {
	t.Helper()
	if os.Geteuid() == 0 {
		chown(t, filepath.Dir(n.Binary), 0, 0)
	}
	chmod(t, filepath.Dir(n.Binary), 0o755)
	nginxtest.Install(t, n.Binary, good)
}

// TestStickyDirectoryIsFine checks what the refusal of writable directories
// must not refuse: /tmp is such a one.
func TestStickyDirectoryIsFine(t *testing.T) {
	n := start(t, traffic.Site{})
	nginxtest.Install(t, n.Binary, newer(t, n))
	chmod(t, n.Dir, 0o777|os.ModeSticky)
	r := request(supervisor.WaitDone)
	r.DryRun = true
	if out := newSupervisor(t, n, quick()).Once(t.Context(), r); out.Code != supervisor.ExitOK || !strings.Contains(out.Text, "would upgrade") {
		t.Errorf("got %+v", out)
	}
}

func TestTrustedOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		nginxtest.Unable(t, "needs root")
	}
	n := start(t, traffic.Site{})
	nginxtest.Install(t, n.Binary, newer(t, n))
	chown(t, n.Binary, nobody, 0)
	r := request(supervisor.WaitDone)
	r.DryRun = true
	for owner, code := range map[string]int{
		"": supervisor.ExitRejected, strconv.Itoa(nobody): supervisor.ExitOK, "nobody": supervisor.ExitOK,
		"daemon": supervisor.ExitRejected, "no-such-user": supervisor.ExitFailure,
	} {
		i := instanceOf(n, quick())
		i.TrustedOwner = owner
		if out := supervisor.New(i, options(t, newStore(t), quick())).Once(t.Context(), r); out.Code != code {
			t.Errorf("TrustedOwner=%s: got %+v, want code %d", owner, out, code)
		}
	}
}

// newer is a build that only differs in its version.
func newer(t *testing.T, n *nginxtest.Nginx) []byte {
	t.Helper()
	data, _ := n.Newer(t, '9')
	return data
}

// compile builds a C program and returns its path.
func compile(t *testing.T, source string, flags ...string) string {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		nginxtest.Unable(t, "gcc is not installed")
	}
	dir := t.TempDir()
	file, out := filepath.Join(dir, "source.c"), filepath.Join(dir, "out")
	if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	args := slices.Concat([]string{"-o", out, file}, flags)
	if text, err := exec.CommandContext(t.Context(), gcc, args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, text)
	}
	return out
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func chown(t *testing.T, path string, uid, gid int) {
	t.Helper()
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(old, text...), 0o644); err != nil {
		t.Fatal(err)
	}
}
