package bus

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	handshakeLimit = 5 * time.Second
	maxLine        = 512 // bytes of one line of the handshake
)

// peerUID asks the kernel who connected.
func peerUID(conn *net.UnixConn) (uint32, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(err, failed); err != nil {
		return 0, err
	}
	return cred.Uid, nil
}

// accept is the server's side of the D-Bus authentication protocol, with the
// mechanism EXTERNAL. The uid is known already, so what the client claims is
// of no interest.
func accept(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(handshakeLimit)); err != nil {
		return err
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(conn, first); err != nil || first[0] != 0 {
		return errors.Join(errors.New("the first byte is not NUL"), err)
	}
	guid := make([]byte, 16)
	rand.Read(guid)
	agreed := false
	for range 10 {
		line, err := readLine(conn)
		if err != nil {
			return err
		}
		if line == "BEGIN" {
			if !agreed {
				return errors.New("BEGIN before AUTH")
			}
			return conn.SetDeadline(time.Time{})
		}
		answer := reply(line, hex.EncodeToString(guid))
		// What cannot be had, such as NEGOTIATE_UNIX_FD, takes nothing back.
		agreed = strings.HasPrefix(answer, "OK ") || agreed && answer == "ERROR"
		if _, err := fmt.Fprintf(conn, "%s\r\n", answer); err != nil {
			return err
		}
	}
	return errors.New("too many words before BEGIN")
}

func reply(line, guid string) string {
	word, argument, _ := bytes.Cut([]byte(line), []byte(" "))
	switch string(word) {
	case "AUTH":
		mechanism, initial, given := bytes.Cut(argument, []byte(" "))
		if string(mechanism) != "EXTERNAL" {
			return "REJECTED EXTERNAL"
		}
		if !given || len(initial) == 0 {
			return "DATA"
		}
		return "OK " + guid
	case "DATA":
		return "OK " + guid
	case "CANCEL", "ERROR":
		return "REJECTED EXTERNAL"
	}
	return "ERROR" // NEGOTIATE_UNIX_FD among others
}

// readLine reads byte by byte: what follows BEGIN belongs to the messages.
func readLine(r io.Reader) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for len(line) < maxLine {
		if _, err := io.ReadFull(r, b); err != nil {
			return "", err
		}
		if line = append(line, b[0]); bytes.HasSuffix(line, []byte("\r\n")) {
			return string(line[:len(line)-2]), nil
		}
	}
	return "", errors.New("line of the handshake is too long")
}
