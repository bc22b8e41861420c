package bus

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net"
	"time"

	"github.com/godbus/dbus/v5"
)

// writeLimit is how long a peer may take to read a message.
const writeLimit = 10 * time.Second

// wire is a connection that bounds what a peer can do to us: messages that are
// too big are refused, nothing is read while an answer is stuck, and a peer that
// does not read loses its connection.
type wire struct {
	net.Conn
	in      frames
	begun   bool          // the handshake is over
	writing chan struct{} // full while something is sent
}

func newWire(conn net.Conn) *wire {
	return &wire{Conn: conn, in: newFrames(conn), writing: make(chan struct{}, 1)}
}

// serves connects the wire with what sends its messages.
func (w *wire) serves(conn *dbus.Conn) {
	w.in.refuse = func(sender string, serial uint32) {
		text := fmt.Sprintf("a message to us may have %d bytes", maxMessage)
		m := &dbus.Message{Type: dbus.TypeError, Body: []any{text}, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldErrorName:   dbus.MakeVariant("org.freedesktop.DBus.Error.LimitsExceeded"),
			dbus.FieldReplySerial: dbus.MakeVariant(serial),
			dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(text)),
		}}
		if sender != "" {
			m.Headers[dbus.FieldDestination] = dbus.MakeVariant(sender)
		}
		conn.Send(m, nil)
	}
}

func (w *wire) Read(p []byte) (int, error) {
	if !w.begun {
		return w.Conn.Read(p)
	}
	w.writing <- struct{}{} // not as long as an answer is stuck
	<-w.writing
	return w.in.Read(p)
}

func (w *wire) Write(p []byte) (int, error) {
	w.writing <- struct{}{}
	defer func() { <-w.writing }()
	if err := w.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return 0, err
	}
	n, err := w.Conn.Write(p)
	if err != nil {
		w.Close() // half of a message may have gone
	}
	if !w.begun {
		w.begun = bytes.HasSuffix(p, []byte("BEGIN\r\n"))
	}
	return n, err
}

// accepted is a connection after its handshake. godbus speaks only the
// client's side of it before it takes messages, so that side gets the answers
// that it expects, from here and not from the peer.
type accepted struct {
	*wire
	answers bytes.Buffer
	begun   bool
}

func newAccepted(conn net.Conn) *accepted {
	w := newWire(conn)
	w.begun = true
	return &accepted{wire: w}
}

func (a *accepted) Write(p []byte) (int, error) {
	if a.begun {
		return a.wire.Write(p)
	}
	for line := range bytes.Lines(bytes.TrimLeft(p, "\x00")) {
		line = bytes.TrimSpace(line)
		if string(line) == "BEGIN" {
			a.begun = true
			continue
		}
		fmt.Fprintf(&a.answers, "%s\r\n", reply(string(line), hex.EncodeToString(make([]byte, 16))))
	}
	return len(p), nil
}

func (a *accepted) Read(p []byte) (int, error) {
	if a.answers.Len() > 0 {
		return a.answers.Read(p)
	}
	return a.wire.Read(p)
}
