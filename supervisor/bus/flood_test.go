package bus

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

const tooMany = "org.freedesktop.DBus.Error.LimitsExceeded"

// flood writes calls as fast as it can and counts the answers and the errors that
// come. It speaks raw D-Bus: a client that keeps books would be the slower one.
func (d *daemon) flood(t *testing.T, many int, member string, args ...any) (answers, errs int) {
	t.Helper()
	conn := d.raw(t)
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	if _, err := io.WriteString(conn, "\x00AUTH EXTERNAL 30\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, "OK ") {
		t.Fatalf("%q, %v", line, err)
	}
	var call bytes.Buffer
	msg := &dbus.Message{Type: dbus.TypeMethodCall, Body: args, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath: dbus.MakeVariant(InstancePath("nginx")), dbus.FieldMember: dbus.MakeVariant(member),
		dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(args...)),
	}}
	if err := msg.EncodeTo(&call, binary.LittleEndian); err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := io.WriteString(conn, "BEGIN\r\n")
		for serial := range many {
			binary.LittleEndian.PutUint32(call.Bytes()[8:], uint32(serial+1))
			if err == nil {
				_, err = conn.Write(call.Bytes())
			}
		}
		wrote <- err
	}()
	for range many {
		head := make([]byte, fixedHeader)
		if _, err := io.ReadFull(in, head); err != nil {
			t.Fatalf("after %d answers and %d errors: %v", answers, errs, err)
		}
		if dbus.Type(head[1]) == dbus.TypeMethodReply {
			answers++
		} else {
			errs++
		}
		rest := (binary.LittleEndian.Uint32(head[12:])+7)/8*8 + binary.LittleEndian.Uint32(head[4:])
		if _, err := in.Discard(int(rest)); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	return answers, errs
}

// TestFlood makes ten thousand calls at once: each is answered, others do not
// notice, and nothing is left behind.
func TestFlood(t *testing.T) {
	d := serve(t, nil, "nginx")
	good := d.dial(t)
	if _, err := good.Status(t.Context(), "nginx"); err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	done, slowest := make(chan struct{}), make(chan time.Duration, 1)
	go func() {
		worst := time.Duration(0)
		for running := true; running; {
			began := time.Now()
			if _, err := good.Instances(context.Background()); err != nil {
				t.Error(err)
			}
			worst = max(worst, time.Since(began))
			select {
			case <-done:
				running = false
			case <-time.After(time.Millisecond):
			}
		}
		slowest <- worst
	}()
	began := time.Now()
	answers, errs := d.flood(t, 10_000, "GetAll", InstanceInterface)
	took := time.Since(began)
	if answers == 0 {
		t.Error("nothing is answered")
	}
	if answers, _ := d.flood(t, 1_000, "Nonsense", "x"); answers != 0 {
		t.Errorf("nonsense is answered %d times", answers)
	}
	close(done)
	t.Logf("%d answers and %d errors in %v, another client waited %v at most", answers, errs, took, <-slowest)
	for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// TestSlowMethods fills a sender's places with calls that wait: its further
// calls are refused, those of others are not.
func TestSlowMethods(t *testing.T) {
	d, b := onBus(t, "nginx")
	busy := supervisor.New(supervisor.InstanceConfig{Name: "busy", PIDFile: "/nonexistent"}, supervisor.Options{Config: supervisor.Defaults(),
		Store: supervisor.Store{Runtime: t.TempDir(), State: t.TempDir()}}) // nobody runs it: no answer
	d.change(func(all []*supervisor.Supervisor) []*supervisor.Supervisor { return append(all, busy) })
	conn := b.dial(t)
	most := callsAtOnce + 2 // there are two instances
	answers := make(chan *dbus.Call, most+1)
	for range most + 1 {
		conn.Object(Name, InstancePath("busy")).Go(InstanceInterface+".Hold", 0, answers)
	}
	phase := func(conn *dbus.Conn) string {
		return errorName(conn.Object(Name, InstancePath("nginx")).Call(getProperty, 0, InstanceInterface, "Phase").Err)
	}
	select {
	case call := <-answers: // for the others nobody answers
		if got := errorName(call.Err); got != tooMany {
			t.Fatalf("one call too many: %v", call.Err)
		}
	case <-time.After(time.Minute):
		t.Fatal("calls that wait are not counted")
	}
	if got := phase(conn); got != tooMany {
		t.Errorf("a call beside them: %q", got)
	}
	if got := phase(b.dial(t)); got != "" {
		t.Errorf("another sender: %s", got)
	}
	// They do not wait for an instance that is gone.
	d.change(func(all []*supervisor.Supervisor) []*supervisor.Supervisor { return all[:1] })
	for range most {
		select {
		case call := <-answers:
			if got := errorName(call.Err); got != "org.freedesktop.DBus.Error.Failed" {
				t.Errorf("got %s", got)
			}
		case <-time.After(time.Minute):
			t.Fatal("calls wait for an instance that is gone")
		}
	}
	if got := phase(conn); got != "" {
		t.Errorf("after that: %s", got)
	}
}

func TestBigMessages(t *testing.T) {
	d, b := onBus(t, "nginx")
	peer := d.dial(t)
	big := strings.Repeat("x", maxMessage)
	for name, conn := range map[string]*dbus.Conn{"private": peer.conn, "system bus": b.dial(t)} {
		object := conn.Object(Name, InstancePath("nginx"))
		err := object.Call(InstanceInterface+".Upgrade", 0, map[string]dbus.Variant{big: dbus.MakeVariant(true)}).Err
		if errorName(err) != tooMany || !strings.Contains(err.Error(), "65536 bytes") {
			t.Errorf("%s: %v", name, err)
		}
		if err := object.Call(getProperty, 0, InstanceInterface, "Phase").Err; err != nil {
			t.Errorf("%s, after that: %v", name, err)
		}
	}
}

// TestDeafPeer sends calls and reads no answer: it loses its connection, and
// until then nothing piles up.
func TestDeafPeer(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	w := newWire(far)
	w.begun = true
	go func() { _, _ = w.Write([]byte("an answer")) }()
	// The answer is stuck: nothing is read meanwhile.
	for len(w.writing) == 0 {
		runtime.Gosched()
	}
	read := make(chan struct{})
	go func() {
		_, _ = w.Read(make([]byte, 1))
		close(read)
	}()
	if err := near.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := near.Write([]byte("l")); err == nil {
		t.Errorf("%d bytes were read while the answer was stuck", n)
	}
	if _, err := io.ReadFull(near, make([]byte, len("an answer"))); err != nil {
		t.Fatal(err)
	}
	near.Close()
	<-read
}

func FuzzFrames(f *testing.F) {
	call := func(fields, body uint32, rest string) []byte {
		b := []byte{'l', byte(dbus.TypeMethodCall), 0, 1}
		b = binary.LittleEndian.AppendUint32(b, body)
		b = binary.LittleEndian.AppendUint32(b, 7)
		b = binary.LittleEndian.AppendUint32(b, fields)
		return append(b, rest...)
	}
	f.Add(call(0, 4, "body"))
	f.Add(call(16, maxMessage, "\x07\x01s\x00\x04\x00\x00\x00:1.5\x00\x00\x00\x00"))
	f.Add(call(0xffffffff, 0xffffffff, ""))
	f.Add([]byte("B\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := newFrames(strings.NewReader(string(data)))
		refused := 0
		in.refuse = func(sender string, _ uint32) {
			refused++
			if strings.Contains(sender, "\x00") && strings.HasSuffix(sender, "\x00") {
				t.Errorf("the sender is %q", sender)
			}
		}
		passed, err := io.ReadAll(&in)
		if len(passed) > len(data) || refused*fixedHeader > len(data) {
			t.Errorf("%d bytes and %d refusals of %d bytes, %v", len(passed), refused, len(data), err)
		}
	})
}
