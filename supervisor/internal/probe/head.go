package probe

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// maxLines bounds the head of an answer; a line longer than the reader's
// buffer is refused by ReadSlice.
const maxLines = 100

// errNotHTTP is the end of an answer that is not HTTP/1.
var errNotHTTP = errors.New("not HTTP")

// readAnswer reads the status line and the header, past interim 1xx answers.
func readAnswer(br *bufio.Reader) Answer {
	if _, err := br.Peek(1); err != nil {
		return readFailure(err)
	}
	if start, ok := startsLikeHTTP(br); !ok {
		return Answer{Outcome: NotHTTP, Text: fmt.Sprintf("no HTTP answer (%.40q)", start)}
	}
	for range 5 {
		a, err := readHead(br)
		switch {
		case err != nil:
			return headFailure(err)
		case a.Status >= 200:
			return a
		}
	}
	return Answer{Outcome: NotHTTP, Text: "no HTTP answer"}
}

// headFailure is for an answer that has begun.
func headFailure(err error) Answer {
	if errors.Is(err, errNotHTTP) || errors.Is(err, bufio.ErrBufferFull) {
		return Answer{Outcome: NotHTTP, Text: "no HTTP answer"}
	}
	if a := readFailure(err); !a.closed() {
		return a
	}
	return Answer{Outcome: Cut, Text: "an answer that breaks off"}
}

// readFailure tells an alert, with which a TLS 1.3 server may refuse a client
// after the handshake, from an error of the network.
func readFailure(err error) Answer {
	if alert := alertOf(err); alert != "" {
		return Answer{Outcome: NoHandshake, Text: "a refused TLS handshake (" + alert + ")"}
	}
	if a := failure(err); a.Asked() {
		return a
	}
	return Answer{Outcome: Cut, Text: fmt.Sprintf("an answer that breaks off (%v)", err)}
}

// alertOf returns the text of an alert that the server has sent.
func alertOf(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return op.Err.Error()
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return alert.Error()
	}
	return ""
}

// startsLikeHTTP does not wait for more than it takes to see that this is
// something else. Otherwise it returns what there is.
func startsLikeHTTP(br *bufio.Reader) (start []byte, ok bool) {
	const magic = "HTTP/1."
	for n := 1; n <= len(magic); n++ {
		start, err := br.Peek(n)
		if err != nil {
			return nil, true // it will be met again
		}
		if start[n-1] != magic[n-1] {
			start, _ = br.Peek(br.Buffered())
			return start, false
		}
	}
	return nil, true
}

func readHead(br *bufio.Reader) (a Answer, err error) {
	line, err := readLine(br)
	if err != nil {
		return a, err
	}
	_, rest, _ := bytes.Cut(line, []byte(" "))
	code, _, _ := bytes.Cut(rest, []byte(" "))
	status, err := strconv.Atoi(string(code))
	if err != nil || len(code) != 3 || status < 100 {
		return a, errNotHTTP
	}
	a = Answer{Outcome: Status, Status: status, Text: string(code)}
	for range maxLines {
		line, err := readLine(br)
		if err != nil || len(line) == 0 {
			return a, err
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("location")) {
			a.location = string(bytes.TrimSpace(value))
		}
	}
	return a, errNotHTTP
}

// readLine returns a line without its end, valid until the next read.
func readLine(br *bufio.Reader) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}
