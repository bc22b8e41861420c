package supervisor_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// refusal is a candidate that is not tried.
type refusal struct {
	root    bool // needs uid 0
	site    traffic.Site
	spoil   func(*testing.T, *nginxtest.Nginx)
	repair  func(*testing.T, *nginxtest.Nginx) // before the good binary is put back
	code    int
	says    []string
	records int
}

// nobody is a user and a group that is not root's.
const nobody = 65534

var refusals = map[string]refusal{
	"truncated": {
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			data := newer(t, n)
			nginxtest.Install(t, n.Binary, data[:len(data)/2])
		},
		code: supervisor.ExitDeferred, says: []string{"not complete", "copy it again"},
	},
	"shell script": {
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			nginxtest.Install(t, n.Binary, []byte("#!/bin/sh\nexec /usr/sbin/nginx \"$@\"\n"))
		},
		code: supervisor.ExitRejected, says: []string{"not an ELF program", "install a binary"}, records: 1,
	},
	"directory": {
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			remove(t, n.Binary)
			mkdir(t, n.Binary)
		},
		repair: func(t *testing.T, n *nginxtest.Nginx) { remove(t, n.Binary) },
		code:   supervisor.ExitRejected, says: []string{"is a directory, not a regular file", "install a binary"},
	},
	"FIFO": {
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			remove(t, n.Binary)
			if err := syscall.Mkfifo(n.Binary, 0o755); err != nil {
				t.Fatal(err)
			}
		},
		code: supervisor.ExitRejected, says: []string{"is a FIFO, not a regular file", "install a binary"},
	},
	"removed": {
		spoil: func(t *testing.T, n *nginxtest.Nginx) { remove(t, n.Binary) },
		code:  supervisor.ExitRejected, says: []string{"there is no file", "install a binary"},
	},
	"dangling link": {
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			remove(t, n.Binary)
			if err := os.Symlink("nowhere", n.Binary); err != nil {
				t.Fatal(err)
			}
		},
		code: supervisor.ExitRejected, says: []string{"there is no file", "install a binary"},
	},
	"another's file": {
		root: true,
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			nginxtest.Install(t, n.Binary, newer(t, n))
			chown(t, n.Binary, nobody, 0)
		},
		code: supervisor.ExitRejected, says: []string{"belongs to uid 65534", "chown root"}, records: 1,
	},
	"world-writable file": {
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			nginxtest.Install(t, n.Binary, newer(t, n))
			chmod(t, n.Binary, 0o757)
		},
		code: supervisor.ExitRejected, says: []string{"sbin/nginx can be written by others", "0757", "chmod go-w"}, records: 1,
	},
	"group-writable directory": {
		root: true,
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			nginxtest.Install(t, n.Binary, newer(t, n))
			chown(t, filepath.Dir(n.Binary), 0, nobody)
			chmod(t, filepath.Dir(n.Binary), 0o775)
		},
		code: supervisor.ExitRejected, says: []string{"sbin can be written by others", "0775", "chmod go-w"}, records: 1,
	},
	"access list": {
		root: true,
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			nginxtest.Install(t, n.Binary, newer(t, n))
			allow(t, n.Binary, nobody)
		},
		code: supervisor.ExitRejected, says: []string{"sbin/nginx can be written by others", "chmod go-w"}, records: 1,
	},
	"access list of the directory": {
		root: true,
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			nginxtest.Install(t, n.Binary, newer(t, n))
			allow(t, filepath.Dir(n.Binary), nobody)
		},
		// What the remedy does: it takes the right out of the mask.
		repair: func(t *testing.T, n *nginxtest.Nginx) { chmod(t, filepath.Dir(n.Binary), 0o755) },
		code:   supervisor.ExitRejected, says: []string{"sbin can be written by others", "chmod go-w"}, records: 1,
	},
	"world-writable parent": {
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			nginxtest.Install(t, n.Binary, newer(t, n))
			chmod(t, n.Dir, 0o777)
		},
		repair: func(t *testing.T, n *nginxtest.Nginx) { chmod(t, n.Dir, 0o755) },
		code:   supervisor.ExitRejected, says: []string{"can be written by others", "0777", "chmod go-w"}, records: 1,
	},
	"link into another's directory": {
		root: true,
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			elsewhere := filepath.Join(n.Dir, "elsewhere")
			mkdir(t, elsewhere)
			nginxtest.Install(t, filepath.Join(elsewhere, "nginx"), newer(t, n))
			chown(t, elsewhere, nobody, 0)
			remove(t, n.Binary)
			if err := os.Symlink("../elsewhere/nginx", n.Binary); err != nil {
				t.Fatal(err)
			}
		},
		code: supervisor.ExitRejected, says: []string{"elsewhere belongs to uid 65534", "chown root"}, records: 1,
	},
	"another machine's": {
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			const eMachine, s390 = 18, 22
			data := newer(t, n)
			data[eMachine], data[eMachine+1] = s390, 0
			nginxtest.Install(t, n.Binary, data)
		},
		code: supervisor.ExitRejected, says: []string{"for another machine", "EM_S390", "install a build for this machine"}, records: 1,
	},
	"not executable": {
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			nginxtest.Install(t, n.Binary, newer(t, n))
			chmod(t, n.Binary, 0o644)
		},
		code: supervisor.ExitRejected, says: []string{"is not executable", "chmod 755"}, records: 1,
	},
	"open for writing": {
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			nginxtest.Install(t, n.Binary, newer(t, n))
			f, err := os.OpenFile(n.Binary, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
		},
		code: supervisor.ExitDeferred, says: []string{"still open for writing", "looked at again"},
	},
	"another program": {
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			data, err := os.ReadFile("/bin/true")
			if err != nil {
				nginxtest.Unable(t, err.Error())
			}
			nginxtest.Install(t, n.Binary, data)
		},
		code: supervisor.ExitRejected, says: []string{"does not tell its version", "install a build"}, records: 1,
	},
	"-V hangs": {
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			data, err := os.ReadFile(compile(t, "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n"))
			if err != nil {
				t.Fatal(err)
			}
			nginxtest.Install(t, n.Binary, data)
		},
		code: supervisor.ExitRejected, says: []string{"does not tell its version", "no answer within 10s", "install a build"}, records: 1,
	},
	"-t fails": {
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			nginxtest.Install(t, n.Binary, newer(t, n))
			appendTo(t, n.ConfigPath(), "\nnonsense on;\n")
		},
		repair: func(t *testing.T, n *nginxtest.Nginx) {
			if err := n.Write(); err != nil {
				t.Fatal(err)
			}
		},
		code: supervisor.ExitRejected, says: []string{"[emerg]", `unknown directive "nonsense"`, "repair the configuration"}, records: 1,
	},
	"no configuration": {
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			nginxtest.Install(t, n.Binary, newer(t, n))
			remove(t, n.ConfigPath())
		},
		repair: func(t *testing.T, n *nginxtest.Nginx) {
			if err := n.Write(); err != nil {
				t.Fatal(err)
			}
		},
		code: supervisor.ExitRejected, says: []string{"configuration", "no such file"}, records: 1,
	},
	"another pid file is configured": {
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			nginxtest.Install(t, n.Binary, newer(t, n))
			text, err := os.ReadFile(n.ConfigPath())
			if err != nil {
				t.Fatal(err)
			}
			moved := strings.Replace(string(text), "pid "+n.PIDPath(), "pid "+n.PIDPath()+".moved", 1)
			if err := os.WriteFile(n.ConfigPath(), []byte(moved), 0o644); err != nil {
				t.Fatal(err)
			}
		},
		repair: func(t *testing.T, n *nginxtest.Nginx) {
			if err := n.Write(); err != nil {
				t.Fatal(err)
			}
		},
		code: supervisor.ExitRejected, says: []string{"names the pid file", ".moved", "put the `pid` directive back"}, records: 1,
	},
	".oldbin is a directory": {
		spoil: func(t *testing.T, n *nginxtest.Nginx) {
			nginxtest.Install(t, n.Binary, newer(t, n))
			mkdir(t, n.PIDPath()+".oldbin")
		},
		repair: func(t *testing.T, n *nginxtest.Nginx) { remove(t, n.PIDPath()+".oldbin") },
		code:   supervisor.ExitRejected, says: []string{".oldbin is a directory", "rmdir"}, records: 1,
	},
}
