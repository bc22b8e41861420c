package supervisor_test

import (
	"encoding/binary"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// allow gives a user all rights by an access list, in the form of
// <linux/posix_acl_xattr.h>.
func allow(t *testing.T, path string, uid uint32) {
	t.Helper()
	const everything, read, nobodyInParticular = 7, 5, 1<<32 - 1
	list := binary.LittleEndian.AppendUint32(nil, 2) // its version
	for _, entry := range []struct {
		tag, rights uint16
		id          uint32
	}{{0x01, everything, nobodyInParticular}, {0x02, everything, uid}, {0x04, read, nobodyInParticular},
		{0x10, everything, nobodyInParticular}, {0x20, read, nobodyInParticular}} {
		list = binary.LittleEndian.AppendUint16(list, entry.tag)
		list = binary.LittleEndian.AppendUint16(list, entry.rights)
		list = binary.LittleEndian.AppendUint32(list, entry.id)
	}
	if err := unix.Setxattr(path, "system.posix_acl_access", list, 0); err != nil {
		nginxtest.Unable(t, "cannot set an access list: "+err.Error())
	}
}

// A pid file and a title are what anybody can write: the master must be root's, or
// somebody's who is trusted.
func TestMasterOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		nginxtest.Unable(t, "needs root")
	}
	n := nginxtest.Prepare(t, traffic.Site{})
	err := filepath.WalkDir(n.Dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && !strings.HasPrefix(path, filepath.Dir(n.Binary)) {
			err = os.Lchown(path, nobody, nobody)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), n.Binary, n.Args()...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	processes(t, n.PID(t))
	for owner, want := range map[string]string{"": "is a process of uid 65534, not of root", strconv.Itoa(nobody): "already current"} {
		i := instanceOf(n, quick())
		i.TrustedOwner = owner
		out := supervisor.New(i, options(t, newStore(t), quick())).Once(t.Context(), request(supervisor.WaitDone))
		if refused := owner == ""; !strings.Contains(out.Text, want) || refused != (out.Code == supervisor.ExitRejected) {
			t.Errorf("TrustedOwner=%s: got %+v", owner, out)
		}
	}
}

// To attach to a master is to execute its binary with -V.
func TestBinaryOfAnotherUserRuns(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		nginxtest.Unable(t, "needs root")
	}
	n := start(t, traffic.Site{})
	chown(t, n.Binary, nobody, 0)
	s := newSupervisor(t, n, quick())
	if out := s.Once(t.Context(), request(supervisor.WaitDone)); out.Code != supervisor.ExitRejected || !strings.Contains(out.Text, "belongs to uid 65534") {
		t.Errorf("got %+v", out)
	}
}

// What a worker executes that somebody has broken into is no successor, whatever
// it calls itself, and is in nobody's way.
func TestBrokenIntoWorker(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		nginxtest.Unable(t, "needs root")
	}
	n := nginxtest.Prepare(t, traffic.Site{Workers: 16})
	nginxtest.Install(t, n.Binary, badnginx.Make(t, filepath.Dir(n.Binary), badnginx.ExecAtFirstRequest, '8'))
	n.Run(t) // which makes a connection
	store := newStore(t)
	r := run(t, n, store, quick())
	r.upToDate(t)
	nginxtest.Install(t, n.Binary, newer(t, n))
	if out, err := r.Upgrade(t.Context(), request(supervisor.WaitDone)); err != nil || out.Result != supervisor.Upgraded {
		t.Errorf("got %+v, %v", out, err)
	}
	if got := history(t, store); len(got) != 1 || got[0].Origin != supervisor.OriginCLI {
		t.Errorf("records: %+v", got)
	}
}

// Modules execute programs of their own: these are no successors either.
func TestHelperOfAModule(t *testing.T) {
	t.Parallel()
	n := nginxtest.Prepare(t, traffic.Site{})
	nginxtest.Install(t, n.Binary, badnginx.Make(t, filepath.Dir(n.Binary), badnginx.Helper, '8'))
	n.Run(t)
	processes(t, n.Master)
	r := run(t, n, newStore(t), quick())
	r.upToDate(t)
	nginxtest.Install(t, n.Binary, newer(t, n))
	if out, err := r.Upgrade(t.Context(), request(supervisor.WaitDone)); err != nil || out.Result != supervisor.Upgraded {
		t.Errorf("got %+v, %v", out, err)
	}
}
