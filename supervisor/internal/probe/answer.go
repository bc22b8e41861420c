package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"
)

// Outcome is how a question ended. A program's are "exit-" and its status.
type Outcome string

// The outcomes.
const (
	Status      Outcome = "status"            // an HTTP answer
	Certificate Outcome = "certificate"       // an HTTP answer, under a certificate that is not valid
	Connected   Outcome = "connected"         // a TCP connection
	Closed      Outcome = "closed"            // closed without a byte, as `return 444` does
	Reset       Outcome = "reset"             // the same, harder
	Cut         Outcome = "cut"               // an answer that breaks off
	NotHTTP     Outcome = "not-http"          // bytes that are no HTTP/1 answer
	NotTLS      Outcome = "not-tls"           // bytes that are no TLS
	NoHandshake Outcome = "refused-handshake" // a TLS handshake that the server ended, or that cannot be
	Refused     Outcome = "refused"           // nobody listens
	Timeout     Outcome = "timeout"
	Killed      Outcome = "killed"  // a program that died by a signal
	Unasked     Outcome = "unasked" // the question could not be put: it says nothing about the server
)

// Answer is what came back.
type Answer struct {
	Outcome Outcome `json:"outcome"`
	Status  int     `json:"status,omitempty"`
	// Leaf is the SHA-256 of the server's certificate, empty without a
	// completed TLS handshake.
	Leaf string `json:"leaf,omitempty"`
	// Text is the answer in words that fit into "X instead of Y".
	Text string `json:"text"`

	location string // of a redirect
}

// Asked reports whether the answer says anything about the server.
func (a Answer) Asked() bool { return a.Outcome != Unasked }

// http reports whether there is a status.
func (a Answer) http() bool { return a.Outcome == Status || a.Outcome == Certificate }

// closed does not tell a FIN from a RST: which of them it is depends on what
// the server had read by then.
func (a Answer) closed() bool { return a.Outcome == Closed || a.Outcome == Reset }

func exited(code int) Outcome { return Outcome("exit-" + strconv.Itoa(code)) }

func unasked(err error) Answer {
	return Answer{Outcome: Unasked, Text: fmt.Sprintf("not asked: %v", err)}
}

// failure is the answer that an error of the network stands for.
func failure(err error) Answer {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Answer{Outcome: Closed, Text: "closed without an answer"}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Answer{Outcome: Reset, Text: "connection reset"}
	case isTimeout(err):
		return Answer{Outcome: Timeout}
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return Answer{Outcome: Refused, Text: "connection refused"}
	}
	return unasked(err) // no descriptors, no route, not permitted
}

func isTimeout(err error) bool {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}
