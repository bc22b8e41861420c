package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
)

// busConfig is a system bus of our own with the policy that is installed: what
// others may do is what the file allows.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
    <allow own="org.freedesktop.PolicyKit1"/>
    <allow send_destination="org.freedesktop.PolicyKit1"/>
  </policy>
  <include>%s</include>
</busconfig>
`

// busDaemon is a dbus-daemon of the test's own.
type busDaemon struct {
	socket string
	config string
	cmd    *exec.Cmd
}

// startBus starts a bus. Without root nobody may have the name on it.
func startBus(t *testing.T) *busDaemon {
	t.Helper()
	if os.Geteuid() != 0 {
		nginxtest.Unable(t, "needs root: the policy lets nobody else have the name")
	}
	dir := runtimeDirectory(t)
	policy, err := filepath.Abs("../../packaging/dbus/" + Name + ".conf")
	if err != nil {
		t.Fatal(err)
	}
	b := &busDaemon{socket: filepath.Join(dir, "system"), config: filepath.Join(dir, "bus.conf")}
	if err := os.WriteFile(b.config, fmt.Appendf(nil, busConfig, b.socket, policy), 0o600); err != nil {
		t.Fatal(err)
	}
	b.start(t)
	t.Cleanup(b.kill)
	return b
}

// start returns when the bus listens.
func (b *busDaemon) start(t *testing.T) {
	t.Helper()
	path, err := exec.LookPath("dbus-daemon")
	if err != nil {
		nginxtest.Unable(t, "dbus-daemon is not installed")
	}
	b.cmd = exec.CommandContext(context.Background(), path, "--config-file="+b.config, "--nofork", "--nopidfile", "--nosyslog", "--print-address=1")
	b.cmd.Stderr = &bytes.Buffer{}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if n, err := out.Read(make([]byte, 1)); n == 0 {
		t.Fatalf("dbus-daemon does not start: %v\n%v", err, b.cmd.Stderr)
	}
}

func (b *busDaemon) kill() {
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
}

// dial is a program of root on the bus.
func (b *busDaemon) dial(t *testing.T) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect("unix:path="+b.socket, dbus.WithAuth(dbus.AuthExternal(strconv.Itoa(os.Geteuid()))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// onBus starts a daemon that serves on a bus.
func onBus(t *testing.T, names ...string) (*daemon, *busDaemon) {
	t.Helper()
	d, b := serve(t, func() error { return nil }, names...), startBus(t)
	serving, ended := make(chan struct{}), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- d.ServeSystemBus(ctx, b.socket, func() { close(serving) }) }()
	select {
	case <-serving:
	case err := <-ended:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return d, b
}

// errorName is the name of a D-Bus error, "" for none.
func errorName(err error) string {
	switch e := err.(type) {
	case nil:
		return ""
	case dbus.Error:
		return e.Name
	default:
		return err.Error()
	}
}

// polkit is a stand-in: the real one has its rules in /etc. Calls says what it
// was asked.
type polkit struct {
	authorized, challenge bool
	asked                 chan asked
}

type asked struct {
	subject, action string
	details         map[string]string
	flags           uint32
}

// CheckAuthorization is the method that we need.
func (p *polkit) CheckAuthorization(subject struct {
	Kind    string
	Details map[string]dbus.Variant
}, action string, details map[string]string, flags uint32, _ string) (struct {
	Authorized, Challenge bool
	Details               map[string]string
}, *dbus.Error) {
	name, _ := subject.Details["name"].Value().(string)
	p.asked <- asked{subject.Kind + " " + name, action, details, flags}
	return struct {
		Authorized, Challenge bool
		Details               map[string]string
	}{p.authorized, p.challenge, map[string]string{}}, nil
}

func (b *busDaemon) polkit(t *testing.T, authorized, challenge bool) *polkit {
	t.Helper()
	p := &polkit{authorized, challenge, make(chan asked, 16)}
	conn := b.dial(t)
	if err := conn.Export(p, polkitPath, polkitInterface); err != nil {
		t.Fatal(err)
	}
	if reply, err := conn.RequestName(polkitName, 0); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("%v, %v", reply, err)
	}
	return p
}

// nobodyEnv makes the test binary a caller without rights; it is the socket of
// the bus.
const nobodyEnv = "BUS_TEST_SOCKET"

// asNobody makes a call as a user without rights and returns the error's name and
// text.
func (b *busDaemon) asNobody(t *testing.T, member string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", member)
	cmd.Env = append(os.Environ(), nobodyEnv+"="+b.socket)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func beNobody(socket, member string) error {
	const nobody = 65534
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
		return err
	}
	conn, err := dbus.Connect("unix:path="+socket, dbus.WithAuth(dbus.AuthExternal(strconv.Itoa(nobody))))
	if err != nil {
		return err
	}
	defer conn.Close()
	instance := conn.Object(Name, InstancePath("nginx"))
	switch member {
	case "read":
		var all map[string]dbus.Variant
		err = errors.Join(instance.Call(propertiesInterface+".GetAll", 0, InstanceInterface).Store(&all),
			conn.Object(Name, ManagerPath).Call(ManagerInterface+".ListInstances", 0).Err)
	case "LogLevel":
		err = conn.Object(Name, LogControlPath).SetProperty(LogControlInterface+".LogLevel", dbus.MakeVariant("debug"))
	case "Reload":
		err = conn.Object(Name, ManagerPath).Call(ManagerInterface+".Reload", 0).Err
	case "Upgrade":
		err = instance.Call(InstanceInterface+".Upgrade", 0, map[string]dbus.Variant{}).Err
	default:
		err = instance.Call(InstanceInterface+"."+member, 0).Err
	}
	if e, ok := err.(dbus.Error); ok {
		return fmt.Errorf("%s: %w", e.Name, e)
	}
	return err
}
