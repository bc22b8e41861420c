//go:build box

package systemd

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

var nginxTest = Command{
	Argv:    []string{"/usr/sbin/nginx", "-t", "-q", "-g", "daemon on; master_process on;"},
	Timeout: 20 * time.Second,
}

// runs runs a command in nginx's sandbox and in none.
func runs(t *testing.T, c Command, check func(t *testing.T, r Result)) {
	t.Helper()
	for name, run := range map[string]func(context.Context, Command) (Result, error){
		"cloned": NewUnit(nginxUnit).Run, "plain": Run,
	} {
		t.Run(name, func(t *testing.T) {
			r, err := run(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			check(t, r)
		})
	}
}

func TestInBoxRunGood(t *testing.T) {
	inBox(t)
	runs(t, nginxTest, func(t *testing.T, r Result) {
		if r.Exit != 0 || r.Signal != 0 || r.Timeout || len(r.Output) > 0 {
			t.Errorf("%+v %s", r, r.Output)
		}
	})
}

func TestInBoxRunBrokenConfig(t *testing.T) {
	inBox(t)
	const file = "/etc/nginx/conf.d/broken.conf"
	if err := os.WriteFile(file, []byte("lisen 80;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(file)
	runs(t, nginxTest, func(t *testing.T, r Result) {
		if r.Exit != 1 || !strings.Contains(string(r.Output), `[emerg] unknown directive "lisen"`) &&
			!strings.Contains(string(r.Output), `unknown directive "lisen"`) {
			t.Errorf("%+v %s", r, r.Output)
		}
	})
}

func TestInBoxRunHangs(t *testing.T) {
	inBox(t)
	c := Command{Argv: []string{"/bin/sh", "-c", "echo begun; trap '' TERM; while :; do sleep 1; done"}, Timeout: 3 * time.Second}
	runs(t, c, func(t *testing.T, r Result) {
		if !r.Timeout || r.Signal != 9 || string(r.Output) != "begun\n" {
			t.Errorf("%+v %s", r, r.Output)
		}
	})
}

func TestInBoxRunSignal(t *testing.T) {
	inBox(t)
	runs(t, Command{Argv: []string{"/bin/sh", "-c", "kill -SEGV $$"}}, func(t *testing.T, r Result) {
		if r.Exit != -1 || r.Signal != 11 || r.Timeout {
			t.Errorf("%+v", r)
		}
	})
}

func TestInBoxRunAbsent(t *testing.T) {
	inBox(t)
	runs(t, Command{Argv: []string{"/usr/sbin/absent"}}, func(t *testing.T, r Result) {
		if r.Setup() != "EXEC" {
			t.Errorf("%+v", r)
		}
	})
}

// The environment is the command's own, to the letter, whatever PID 1 and the
// unit would add.
func TestInBoxRunEnvironment(t *testing.T) {
	inBox(t)
	sh(t, "systemctl set-environment NGINX_TEST_EXTRA=1")
	t.Cleanup(func() { sh(t, "systemctl unset-environment NGINX_TEST_EXTRA") })
	dropIn(t, nginxUnit, "[Service]\nEnvironment=SECRET=1\nUser=root\nRuntimeDirectory=nginx-test\nPrivateTmp=yes\n")
	for _, env := range [][]string{nil, {"NGINX=7;8;", "ODD=a $HOME %n \"q\" \\n é"}, {"PATH=/bin"}} {
		runs(t, Command{Argv: []string{"/usr/bin/env", "-0"}, Env: env, Dir: "/usr"}, func(t *testing.T, r Result) {
			got := strings.Split(strings.TrimSuffix(string(r.Output), "\x00"), "\x00")
			if len(r.Output) == 0 {
				got = nil
			}
			slices.Sort(got)
			if r.Exit != 0 || !slices.Equal(got, env) {
				t.Errorf("%+v: %q, want %q", r, got, env)
			}
		})
	}
}

// Arguments arrive to the letter too, and so does the directory.
func TestInBoxRunArguments(t *testing.T) {
	inBox(t)
	c := Command{Argv: []string{"/bin/sh", "-c", `pwd; printf '%s\n' "$@"`, "sh", "$HOME", "${X}", "%n", "a b", "$$", ""}, Dir: "/usr/share"}
	runs(t, c, func(t *testing.T, r Result) {
		if want := "/usr/share\n$HOME\n${X}\n%n\na b\n$$\n\n"; string(r.Output) != want {
			t.Errorf("%q, want %q", r.Output, want)
		}
	})
}

func TestInBoxRunCancelled(t *testing.T) {
	inBox(t)
	why := errors.New("changed my mind")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(300*time.Millisecond, func() { cancel(why) })
	_, err := NewUnit(nginxUnit).Run(ctx, Command{Argv: []string{"/bin/sleep", "1234"}})
	if !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	eventually(t, func() string {
		if out := sh(t, "systemctl list-units --all --plain --no-legend 'nginx-hotswap-test-*'"); out != "" {
			return "left behind: " + out
		}
		return ""
	})
}

// A unit with all kinds of walls: its test passes through the same doors.
func TestInBoxRunSandbox(t *testing.T) {
	inBox(t)
	dropIn(t, nginxUnit, `[Service]
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
RuntimeDirectory=nginx-test
LogsDirectory=nginx
ReadWritePaths=-/var/lib/nginx /run
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID CAP_CHOWN CAP_DAC_OVERRIDE
LimitNOFILE=4321
UMask=0027
InaccessiblePaths=/srv
BindReadOnlyPaths=/etc/nginx:/media
TemporaryFileSystem=/opt:ro,size=1M
IPAddressDeny=192.0.2.0/24
DeviceAllow=/dev/null rw
`)
	sh(t, "systemctl restart nginx")
	t.Cleanup(func() { sh(t, "systemctl restart nginx") })
	sh(t, "touch /srv/mark; echo seen > /proc/$(cat /run/nginx.pid)/root/tmp/mark")
	u := NewUnit(nginxUnit)
	if r, err := u.Run(t.Context(), nginxTest); err != nil || r.Exit != 0 {
		t.Errorf("nginx -t: %+v %s %v", r, r.Output, err)
	}
	script := `export PATH=/usr/bin:/bin
cat /tmp/mark; ulimit -n; umask
touch /etc/x 2>/dev/null && echo /etc is writable
touch /run/nginx-test/x && echo runtime directory is writable
test -e /srv/mark && echo /srv is there
test -e /media/nginx.conf && echo bound
grep CapBnd /proc/self/status | cut -f2
grep '^Seccomp:' /proc/self/status | cut -f2
exit 0`
	r, err := u.Run(t.Context(), Command{Argv: []string{"/bin/sh", "-c", script}})
	want := "seen\n4321\n0027\nruntime directory is writable\nbound\n00000000000004c3\n2\n"
	if err != nil || string(r.Output) != want {
		t.Errorf("%q, want %q, %v", r.Output, want, err)
	}
	if out := sh(t, "ls -d /run/nginx-test"); out == "" {
		t.Error("the test removed the unit's runtime directory")
	}
}

// text is a property of type s.
func text(name, value string) property { return property{name, dbus.MakeVariant(value)} }

// Properties that systemd refuses are left out, whether it names them or not.
func TestInBoxRunRefusedProperties(t *testing.T) {
	inBox(t)
	m, err := Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	out, err := newOutput()
	if err != nil {
		t.Fatal(err)
	}
	defer out.close()
	tr := &transient{m: m, command: Command{Argv: []string{"/bin/sh", "-c", "umask"}}, sandbox: []property{
		text("NoSuchProperty", "x"), text("Personality", ""), text("PrivateTmp", "a text for a flag"),
		{"UMask", dbus.MakeVariant(uint32(0o077))}, text("LimitNOFILE", "a text for a number"), text("Group", "bad/group")}}
	if err := tr.start(t.Context(), out.writer()); err != nil {
		t.Fatal(err)
	}
	out.started()
	r, err := tr.wait(t.Context())
	if got := string(out.bytes()); err != nil || r.Exit != 0 || got != "0077\n" || len(tr.sandbox) != 1 {
		t.Errorf("%+v, %v, %q, %+v", r, err, got, tr.sandbox)
	}
}

// Over the bus it works the same, with match rules in place of signals unasked.
func TestInBoxRunOverBus(t *testing.T) {
	inBox(t)
	m, err := dialBus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	out, err := newOutput()
	if err != nil {
		t.Fatal(err)
	}
	defer out.close()
	tr := &transient{m: m, command: Command{Argv: []string{"/bin/sh", "-c", "exit 7"}}}
	if err := tr.start(t.Context(), out.writer()); err != nil {
		t.Fatal(err)
	}
	out.started()
	if r, err := tr.wait(t.Context()); err != nil || r.Exit != 7 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A daemon-reload in the middle of a test goes unnoticed, and a new PID 1 costs
// nothing but time.
func TestInBoxRunReload(t *testing.T) {
	inBox(t)
	for _, verb := range []string{"daemon-reload", "daemon-reexec"} {
		t.Run(verb, func(t *testing.T) {
			// It is in the middle until it is told to go on, the first one, too, where a
			// second has taken its place.
			begun, goOn := "/run/test-begun-"+verb, "/run/test-go-on-"+verb
			type answer struct {
				r   Result
				err error
			}
			done := make(chan answer, 1)
			go func() {
				c := Command{Argv: []string{"/bin/sh", "-c", "echo a; : >" + begun + "; until [ -e " + goOn + " ]; do /bin/sleep 0.1; done; echo b; exit 3"}}
				r, err := NewUnit(nginxUnit).Run(t.Context(), c)
				done <- answer{r, err}
			}()
			eventually(t, func() string {
				if _, err := os.Stat(begun); err != nil {
					return err.Error()
				}
				return ""
			})
			sh(t, "systemctl "+verb+"; : >"+goOn)
			if a := <-done; a.err != nil || a.r.Exit != 3 || string(a.r.Output) != "a\nb\n" {
				t.Errorf("%+v, %v", a.r, a.err)
			}
		})
	}
}
