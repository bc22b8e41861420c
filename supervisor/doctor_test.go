package supervisor_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// patient is an nginx that doctor looks at.
type patient struct {
	*nginxtest.Nginx
	t        *testing.T
	config   supervisor.Config
	instance supervisor.InstanceConfig
	store    supervisor.Store
	options  supervisor.Options
	daemon   int // the pid of who plays the daemon
}

// patientOf is looked at by its pid file.
func patientOf(t *testing.T, n *nginxtest.Nginx) *patient {
	t.Helper()
	c, store := quick(), newStore(t)
	c.Upgrade.DrainTimeoutSec = supervisor.Infinity
	return &patient{Nginx: n, t: t, config: c, instance: instanceOf(n, c), store: store, options: options(t, store, c)}
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	return patientOf(t, start(t, traffic.Site{}))
}

// inUnit makes it the instance of a unit.
func (p *patient) inUnit(change func(*systemd.State)) {
	unit := newFakeUnit("nginx.service", p.PIDPath(), p.Master)
	unit.change(change)
	p.options.Systemd = unit
	p.instance.PIDFile, p.instance.Unit = "", unit.Name()
}

// onDisk changes the configuration without a reload.
func (p *patient) onDisk(from, to string) {
	p.t.Helper()
	text, err := os.ReadFile(p.ConfigPath())
	if err != nil {
		p.t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(from)) {
		p.t.Fatalf("no %q in the configuration", from)
	}
	if err := os.WriteFile(p.ConfigPath(), bytes.ReplaceAll(text, []byte(from), []byte(to)), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// master is the identity of its master.
func (p *patient) id(pid int) nginx.ID {
	p.t.Helper()
	held, err := nginx.Open(pid)
	if err != nil {
		p.t.Fatal(err)
	}
	defer held.Close()
	return held.ID
}

// examine returns the findings by check.
func (p *patient) examine() map[string]supervisor.Finding {
	p.t.Helper()
	before := p.processes()
	found := make(map[string]supervisor.Finding)
	for _, f := range supervisor.New(p.instance, p.options).Examine(p.t.Context(), p.daemon) {
		if !slices.Contains(supervisor.InstanceChecks(), f.Check) || f.Instance != "test" || found[f.Check].Check != "" {
			p.t.Errorf("unknown, of another instance or twice: %+v", f)
		}
		if f.Text == "" || f.Remedy == "" && (f.Level == supervisor.LevelWarning || f.Level == supervisor.LevelFailure) {
			p.t.Errorf("it says not enough: %+v", f)
		}
		found[f.Check] = f
	}
	if after := p.processes(); after != before {
		p.t.Errorf("the processes are not the same: %s, before %s", after, before)
	}
	return found
}

func (p *patient) processes() string {
	var text strings.Builder
	for _, master := range p.Masters(p.t) {
		tree, err := nginx.ReadTree(nginx.ID{PID: master})
		fmt.Fprintln(&text, tree, err)
	}
	return text.String()
}

// finds fails unless the check has this level, and the words in its text or
// remedy.
func (p *patient) finds(check string, level supervisor.Level, words ...string) {
	p.t.Helper()
	f, ok := p.examine()[check]
	if !ok || f.Level != level {
		p.t.Errorf("%s: got %+v, want level %s", check, f, level)
	}
	for _, w := range words {
		if !strings.Contains(f.Text+"\n"+f.Remedy, w) {
			p.t.Errorf("%s: it says %q and %q, which lacks %q", check, f.Text, f.Remedy, w)
		}
	}
}

// All is well with an nginx that is well, and every check has its turn.
func TestDoctorOfTheHealthy(t *testing.T) {
	p := newPatient(t)
	p.inUnit(func(*systemd.State) {})
	found := p.examine()
	for _, check := range supervisor.InstanceChecks() {
		f, ok := found[check]
		if !ok || f.Level != supervisor.LevelOK && !(check == "keep-alive" && f.Level == supervisor.LevelNote) {
			t.Errorf("%s: got %+v", check, f)
		}
	}
	if nginxtest.Exists(p.store.State) || nginxtest.Exists(p.store.Runtime) {
		t.Error("it has written something")
	}
}

// doctorCases each have one thing wrong.
var doctorCases = map[string]struct {
	check   string
	level   supervisor.Level
	provoke func(*patient)
	says    []string
}{
	"not running": {"master", supervisor.LevelWarning, func(p *patient) { p.instance.PIDFile += ".none" }, []string{"not running", "start nginx"}},
	"unit not running": {"master", supervisor.LevelWarning, func(p *patient) {
		p.inUnit(func(s *systemd.State) { s.MainPID, s.ActiveState = 0, "inactive" })
	}, []string{"nginx.service is inactive", "systemctl start nginx.service"}},
	"not a master": {"master", supervisor.LevelFailure, func(p *patient) {
		p.inUnit(func(s *systemd.State) { s.MainPID = os.Getpid() })
	}, []string{"not an nginx master", "master_process off"}},
	"interrupted": {"upgrade", supervisor.LevelWarning, (*patient).interrupted, []string{"interrupted in phase soaking", "systemctl start nginx-hotswap"}},
	"under way": {"upgrade", supervisor.LevelNote, func(p *patient) {
		p.interrupted()
		p.daemon = os.Getpid()
	}, []string{"an upgrade runs, phase soaking"}},
	"unit is busy": {"upgrade", supervisor.LevelWarning, func(p *patient) {
		p.inUnit(func(s *systemd.State) { s.JobID, s.JobType = 7, "restart" })
	}, []string{`job "restart"`, "nginx-hotswap doctor test"}},
	"newer without daemon": {"disk", supervisor.LevelWarning, func(p *patient) {
		nginxtest.Install(p.t, p.Binary, newer(p.t, p.Nginx))
	}, []string{"differs from running", "no daemon runs", "nginx-hotswap upgrade test"}},
	"newer with daemon": {"disk", supervisor.LevelNote, func(p *patient) {
		nginxtest.Install(p.t, p.Binary, newer(p.t, p.Nginx))
		p.daemon = os.Getpid()
	}, []string{"about to take it up"}},
	"newer by hand": {"disk", supervisor.LevelWarning, func(p *patient) {
		nginxtest.Install(p.t, p.Binary, newer(p.t, p.Nginx))
		p.options.Config.Automatic = false
	}, []string{"Automatic=no", "--dry-run test"}},
	"binary removed": {"disk", supervisor.LevelFailure, func(p *patient) {
		if err := os.Remove(p.Binary); err != nil {
			p.t.Fatal(err)
		}
	}, []string{"there is no file", "install a binary"}},
	"held": {"state", supervisor.LevelWarning, func(p *patient) {
		p.remember(supervisor.Attachment{Held: true})
	}, []string{"held", "nginx-hotswap unhold test"}},
	"unit, to be quoted": {"notify-access", supervisor.LevelWarning, func(p *patient) {
		p.inUnit(func(s *systemd.State) { s.Name, s.NotifyAccess = `nginx@a\x2db.service`, "none" })
	}, []string{`systemctl edit 'nginx@a\x2db.service'`}},
	"drift": {"drift", supervisor.LevelWarning, func(p *patient) {
		p.onDisk("access_log off;", "access_log  off;")
		soon := time.Now().Add(10 * time.Second)
		if err := os.Chtimes(p.ConfigPath(), soon, soon); err != nil {
			p.t.Fatal(err)
		}
	}, []string{"nginx.conf was changed", " -t -p ", "kill -HUP"}},
	"Type=simple": {"unit-type", supervisor.LevelFailure, func(p *patient) {
		p.inUnit(func(s *systemd.State) { s.Type = "simple" })
	}, []string{"Type=simple", "systemctl edit nginx.service", "Type=forking", "PIDFile="}},
	"no PIDFile=": {"unit-type", supervisor.LevelNote, func(p *patient) {
		p.inUnit(func(s *systemd.State) { s.PIDFile = "" })
	}, []string{"no PIDFile=", "[Service]\nPIDFile=/"}},
	"another main process": {"unit-type", supervisor.LevelWarning, func(p *patient) {
		p.options.Systemd = newFakeUnit("app.service", "", os.Getpid())
	}, []string{"app.service", "another main process", "Type=forking"}},
	"NotifyAccess=none": {"notify-access", supervisor.LevelWarning, func(p *patient) {
		p.inUnit(func(s *systemd.State) { s.NotifyAccess = "none" })
	}, []string{"NotifyAccess=none", "[Service]\nNotifyAccess=main"}},
	"nothing to follow by": {"notify-access", supervisor.LevelFailure, func(p *patient) {
		p.inUnit(func(s *systemd.State) { s.NotifyAccess, s.PIDFile = "none", "" })
	}, []string{"could not follow", "[Service]\nNotifyAccess=main"}},
	"PIDFile= elsewhere": {"pid-file", supervisor.LevelFailure, func(p *patient) {
		p.inUnit(func(s *systemd.State) { s.PIDFile = "/run/other.pid" })
	}, []string{"PIDFile=/run/other.pid", "systemctl edit nginx.service", "[Service]\nPIDFile=/tmp/"}},
	"pid directive elsewhere": {"pid-file", supervisor.LevelFailure, func(p *patient) {
		p.onDisk("pid "+p.PIDPath(), "pid "+p.PIDPath()+".2")
	}, []string{"nginx.pid.2", "put `pid /", "kill -QUIT"}},
	".oldbin is a directory": {"pid-file", supervisor.LevelFailure, func(p *patient) {
		if err := os.Mkdir(p.PIDPath()+".oldbin", 0o755); err != nil {
			p.t.Fatal(err)
		}
	}, []string{"is a directory", "rmdir "}},
	"anybody may write": {"owner", supervisor.LevelFailure, func(p *patient) {
		if err := os.Chmod(filepath.Dir(p.Binary), 0o777); err != nil {
			p.t.Fatal(err)
		}
	}, []string{"can be written by others", "chmod go-w "}},
	"socket removed": {"unix-sockets", supervisor.LevelFailure, func(p *patient) {
		if err := os.Remove(p.Unix); err != nil {
			p.t.Fatal(err)
		}
	}, []string{"is gone from the file system", "kill -QUIT", "/sbin/nginx -p "}},
	"unix listener removed": {"unix-sockets", supervisor.LevelFailure, func(p *patient) {
		p.onDisk("listen unix:"+p.Unix, "listen unix:"+p.Unix+".2")
	}, []string{"has no listener unix:", "reload nginx first"}},
	"quic": {"quic", supervisor.LevelWarning, func(p *patient) { p.onDisk("sndbuf=", "quic sndbuf=") },
		[]string{"QUIC connections fail", "[Upgrade]", "DrainTimeoutSec=1min"}},
	"quic, bounded": {"quic", supervisor.LevelNote, func(p *patient) {
		p.onDisk("sndbuf=", "quic sndbuf=")
		p.instance.Upgrade.DrainTimeoutSec = time.Minute
	}, []string{"DrainTimeoutSec=1min bounds"}},
	"drain limit": {"shutdown-timeout", supervisor.LevelNote, func(p *patient) { p.instance.Upgrade.DrainTimeoutSec = time.Minute },
		[]string{"DrainTimeoutSec=1min", "is cut"}},
	"worker_shutdown_timeout": {"shutdown-timeout", supervisor.LevelNote, func(p *patient) {
		p.onDisk("events {", "worker_shutdown_timeout 7s; events {")
	}, []string{"`worker_shutdown_timeout 7s`", "is cut"}},
	"old version": {"keep-alive", supervisor.LevelNote, func(*patient) {}, []string{"idle keep-alive", "1.27.4"}},
	"MemoryMax=": {"memory", supervisor.LevelFailure, func(p *patient) {
		p.inUnit(func(s *systemd.State) { s.MemoryMax = 1 << 20 })
	}, []string{"MemoryMax= of nginx.service is 1M", "systemctl set-property nginx.service MemoryMax="}},
	"no such module": {"modules", supervisor.LevelFailure, func(p *patient) {
		p.onDisk("events {", "load_module nowhere.so; events {")
	}, []string{"nowhere.so does not fit", "signature is unknown", "comment out its load_module"}},
	"another module": {"modules", supervisor.LevelFailure, func(p *patient) {
		p.writeModule("8,4,8,", "8,8,8,")
	}, []string{"does not fit", "its signature is 8,8,8,", "the binary's 8,4,8,"}},
	"module beside no program": {"modules", supervisor.LevelNote, func(p *patient) {
		p.writeModule("", "")
		nginxtest.Install(p.t, p.Binary, []byte("no program"))
	}, []string{"is no build of nginx"}},
	"module":             {"modules", supervisor.LevelOK, func(p *patient) { p.writeModule("", "") }, []string{"1 dynamic module"}},
	"watched":            {"watch", supervisor.LevelOK, func(p *patient) { p.watchedBy(filepath.Dir(p.Binary)) }, []string{"the daemon watches"}},
	"not watched":        {"watch", supervisor.LevelWarning, func(p *patient) { p.watchedBy(p.Dir) }, []string{"does not watch " + "/", "systemctl restart nginx-hotswap"}},
	"seen by the daemon": {"sandbox", supervisor.LevelOK, func(p *patient) { p.daemon = os.Getpid() }, []string{"the daemon sees"}},
}

func TestDoctor(t *testing.T) {
	for name, tt := range doctorCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := traffic.Site{}
			if tt.check == "unix-sockets" {
				site.Unix = unixSocket(t)
			}
			p := patientOf(t, start(t, site))
			tt.provoke(p)
			p.finds(tt.check, tt.level, tt.says...)
		})
	}
}

func (p *patient) remember(a supervisor.Attachment) {
	p.t.Helper()
	if err := p.store.SaveAttachment("test", a); err != nil {
		p.t.Fatal(err)
	}
}

// record is one of this boot and of the master that runs.
func (p *patient) record(result supervisor.Result, phase supervisor.Phase) *supervisor.Record {
	p.t.Helper()
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		p.t.Fatal(err)
	}
	id := p.id(p.Master)
	return &supervisor.Record{Version: 1, ID: "20261122T090000.000-abcde", Instance: "test", Boot: strings.TrimSpace(string(boot)),
		Started: time.Now(), Origin: supervisor.OriginCLI, Phase: phase, Result: result, Reason: "it did not go",
		Old: supervisor.Generation{PID: id.PID, Start: id.Start}}
}

func (p *patient) interrupted() {
	p.t.Helper()
	if err := p.store.SaveRunning(p.record("", supervisor.Soaking)); err != nil {
		p.t.Fatal(err)
	}
}

// writeModule makes the configuration load a module. The binary itself has its
// own signature.
func (p *patient) writeModule(from, to string) {
	p.t.Helper()
	data, err := os.ReadFile(p.Binary)
	if err != nil {
		p.t.Fatal(err)
	}
	nginxtest.Install(p.t, filepath.Join(p.Dir, "module.so"), bytes.ReplaceAll(data, []byte(from), []byte(to)))
	p.onDisk("events {", "load_module module.so; events {")
}

// watchedBy makes this process the daemon, which watches a directory and those of
// the libraries.
func (p *patient) watchedBy(dir string) {
	p.t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { unix.Close(fd) })
	mapped, err := nginx.ReadMapped(p.Master)
	if err != nil {
		p.t.Fatal(err)
	}
	dirs := []string{dir}
	for _, f := range mapped {
		dirs = append(dirs, filepath.Dir(f.Path))
	}
	for _, dir := range dirs {
		if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE); err != nil {
			p.t.Fatal(err)
		}
	}
	p.daemon = os.Getpid()
}

// A master that was started in the foreground, by a bare name or a relative one.
func TestDoctorOfUnusualStarts(t *testing.T) {
	for name, tt := range map[string]struct {
		check string
		level supervisor.Level
		extra string
		start func(*exec.Cmd)
		says  []string
	}{
		"daemon off": {"daemon-off", supervisor.LevelFailure, "daemon off;",
			func(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }, []string{"ignores USR2", "start it without"}},
		"bare name": {"argv", supervisor.LevelFailure, "",
			func(cmd *exec.Cmd) { cmd.Args[0] = "nginx" }, []string{"does not search PATH", "absolute path"}},
		"relative name": {"argv", supervisor.LevelNote, "",
			func(cmd *exec.Cmd) { cmd.Dir, cmd.Args[0] = filepath.Dir(cmd.Path), "./nginx" }, []string{`"./nginx"`, "absolute path"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := startLike(t, traffic.Site{Extra: tt.extra}, tt.start)
			processes(t, n.Master)
			patientOf(t, n).finds(tt.check, tt.level, tt.says...)
		})
	}
}

// Not in parallel: see TestAdoptedMasters.
func TestDoctorOfAnOldAdoptedMaster(t *testing.T) {
	n := nginxtest.Prepare(t, traffic.Site{})
	asVersion(t, n, fmt.Sprintf("1.13.%0*d", len(n.Version)-len("1.13."), 7))
	adopted(t, n)
	patientOf(t, n).finds("parent", supervisor.LevelFailure, fmt.Sprintf("child of process %d", os.Getpid()), "restart nginx once")
}

func asVersion(t *testing.T, n *nginxtest.Nginx, version string) {
	t.Helper()
	data, err := os.ReadFile(n.Binary)
	if err == nil {
		data, err = box.PatchVersion(data, n.Version, version)
	}
	if err != nil {
		t.Fatal(err)
	}
	nginxtest.Install(t, n.Binary, data)
}

// From 1.27.4 on the gap of idle connections can be closed, so it is said.
func TestDoctorOfKeepAlive(t *testing.T) {
	n := nginxtest.Prepare(t, traffic.Site{})
	asVersion(t, n, fmt.Sprintf("1.27.%0*d", len(n.Version)-len("1.27."), 4))
	n.Run(t)
	p := patientOf(t, n)
	p.finds("keep-alive", supervisor.LevelWarning, "idle keep-alive", "`keepalive_min_timeout 10s;`", p.ConfigPath())
	p.onDisk("access_log off;", "access_log off; keepalive_min_timeout 3s;")
	p.finds("keep-alive", supervisor.LevelOK, "`keepalive_min_timeout 3s`")
}

// What the kernel is told depends on the machine; the box has both.
func TestDoctorOfReuseport(t *testing.T) {
	p := newPatient(t)
	p.finds("reuseport", supervisor.LevelOK, "no listener has reuseport")
	p.onDisk("sndbuf=", "reuseport sndbuf=")
	value, err := os.ReadFile("/proc/sys/net/ipv4/tcp_migrate_req")
	if err != nil {
		t.Skip("the kernel has no tcp_migrate_req")
	}
	if strings.TrimSpace(string(value)) == "0" {
		p.finds("reuseport", supervisor.LevelWarning, "reuseport sndbuf=", "connections that wait", "net.ipv4.tcp_migrate_req=1")
	} else {
		p.finds("reuseport", supervisor.LevelOK, "tcp_migrate_req is on")
	}
}

// An upgrade by others and one that got stuck leave two masters: nothing else is
// looked at then.
func TestDoctorOfTwoMasters(t *testing.T) {
	p := newPatient(t)
	successor := foreignUpgrade(t, p.Nginx)
	p.finds("upgrade", supervisor.LevelWarning, "predecessor", fmt.Sprintf("kill -WINCH %d, then kill -QUIT %d", p.Master, p.Master))
	if found := p.examine(); len(found) != 2 {
		t.Errorf("more was looked at: %+v", found)
	}
	p.inUnit(func(*systemd.State) {})
	p.finds("upgrade", supervisor.LevelWarning, "somebody else upgrades", fmt.Sprintf("kill -QUIT %d", successor))
	signal(t, p.Master, unix.SIGWINCH)
	nginxtest.Eventually(t, "the old master has no child but its successor", func() bool {
		tree, err := nginx.ReadTree(p.id(p.Master))
		return err == nil && len(tree.Children) == 1
	})
	p.finds("upgrade", supervisor.LevelWarning, "somebody else upgrades", fmt.Sprintf("kill -QUIT %d", successor))
	rec := p.record(supervisor.Stuck, supervisor.Dismissing)
	young := p.id(successor)
	rec.Successor.PID, rec.Successor.Start = young.PID, young.Start
	if err := p.store.Close(rec, 10); err != nil {
		t.Fatal(err)
	}
	p.finds("upgrade", supervisor.LevelFailure, "stuck: it did not go", "to go back to", fmt.Sprintf("kill -KILL %d", successor))
}

// A remedy is pasted into a shell, which would eat the backslash of systemd's names.
func TestDoctorQuotes(t *testing.T) {
	p := newPatient(t)
	p.instance.Name = `nginx@a\x2db`
	if err := p.store.SaveAttachment(p.instance.Name, supervisor.Attachment{Held: true}); err != nil {
		t.Fatal(err)
	}
	s := supervisor.New(p.instance, p.options)
	for _, f := range s.Examine(t.Context(), 0) {
		if want := `nginx-hotswap unhold 'nginx@a\x2db'`; f.Check == "state" && f.Remedy != want {
			t.Errorf("got %q, want %q", f.Remedy, want)
		}
	}
}

// What was rolled back needs a person until that is acknowledged.
func TestDoctorOfABadBuild(t *testing.T) {
	for _, leave := range []bool{true, false} {
		t.Run(fmt.Sprintf("OnBadBinary leaves it: %v", leave), func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			p.instance.Upgrade.LeaveBadBinary = leave
			nginxtest.Install(t, p.Binary, makeBad(t, p.Nginx, badnginx.CrashAtStart, 0))
			if out := supervisor.New(p.instance, p.options).Once(t.Context(), request(supervisor.WaitDone)); out.Code != supervisor.ExitRolledBack {
				t.Fatalf("got %+v", out)
			}
			a, err := p.store.Attachment("test")
			if err != nil {
				t.Fatal(err)
			}
			check, key := "disk", ""
			if leave {
				p.finds("disk", supervisor.LevelFailure, "in quarantine since", "SIGABRT", "nginx-hotswap confirm test")
				p.finds("state", supervisor.LevelNote, "in quarantine")
				key = a.Quarantine[0].Key
			} else {
				check = "state"
				p.finds("disk", supervisor.LevelOK)
				p.finds("state", supervisor.LevelFailure, "stands in for", "SIGABRT", "nginx-hotswap confirm test")
				key = a.Restored.Condemned
			}
			a.Acknowledged = key
			p.remember(*a)
			p.finds(check, supervisor.LevelNote, "acknowledged")
		})
	}
}
