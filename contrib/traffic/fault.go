package traffic

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// The kinds of failure, by phase and error.
const (
	ConnectRefused = "connect-refused" // nobody listens: ECONNREFUSED, or no such unix socket
	ConnectTimeout = "connect-timeout" // no answer to the connect within Config.Timeout
	ConnectReset   = "connect-reset"   // ECONNRESET during the connect
	Reset          = "reset"           // ECONNRESET or EPIPE before the first byte of the answer
	EOF            = "eof"             // closed before the first byte of the answer
	Cut            = "cut"             // closed or reset in the middle of the answer
	DownloadCut    = "download-cut"    // the same in the body of a Download
	StreamCut      = "stream-cut"      // a Stream that ended before its planned end
	Timeout        = "timeout"         // no (complete) answer within Config.Timeout
	BadStatus      = "bad-status"      // another status than expected
	BadBody        = "bad-body"        // another length, content or echo than expected
	Local          = "local"           // this side ran out of ports, descriptors or buffers: the proof is void
	Other          = "other"           // anything else, such as an answer that is not HTTP
)

// unfinished marks a request that the load itself ended with its grace period.
const unfinished = "unfinished"

// errMalformed is the end of an answer that is not HTTP/1.
var errMalformed = errors.New("malformed answer")

// fault is how a request failed.
type fault struct {
	kind string
	err  error
}

func faultf(kind, format string, args ...any) *fault {
	return &fault{kind, fmt.Errorf(format, args...)}
}

// connectFault classifies an error of connect(2).
func connectFault(err error) *fault {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return &fault{ConnectRefused, err}
	case isTimeout(err):
		return &fault{ConnectTimeout, err}
	case isReset(err):
		return &fault{ConnectReset, err}
	}
	return otherFault(err)
}

// earlyFault classifies an error before the first byte of the answer.
func earlyFault(err error) *fault {
	switch {
	case errors.Is(err, io.EOF):
		return &fault{EOF, errors.New("connection closed before the answer")}
	case isReset(err):
		return &fault{Reset, err}
	case isTimeout(err):
		return &fault{Timeout, err}
	}
	return otherFault(err)
}

// lateFault classifies an error after the first byte of the answer; cut is the
// kind for a connection that ended there.
func lateFault(err error, cut string) *fault {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &fault{cut, errors.New("connection closed in the middle")}
	case isReset(err):
		return &fault{cut, err}
	case isTimeout(err):
		return &fault{Timeout, err}
	}
	return otherFault(err)
}

func otherFault(err error) *fault {
	for _, errno := range []error{
		syscall.EADDRNOTAVAIL, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
	} {
		if errors.Is(err, errno) {
			return &fault{Local, err}
		}
	}
	return &fault{Other, err}
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// isTimeout covers our own deadlines and the kernel's ETIMEDOUT.
func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || os.IsTimeout(err) || errors.Is(err, syscall.ETIMEDOUT)
}

// stale tells whether a used connection turned out closed: the request may be
// sent once more on a fresh one.
func (f *fault) stale() bool { return f.kind == EOF || f.kind == Reset }
