package bus

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSilentPeer is on a clock of its own: nobody waits five seconds.
func TestSilentPeer(t *testing.T) {
	for name, says := range map[string]string{"all the time": "", "after NUL": "\x00", "in a line": "\x00AUTH", "before BEGIN": "\x00AUTH EXTERNAL 30\r\n"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer near.Close()
				go func() {
					_, _ = io.WriteString(near, says)
					_, _ = io.Copy(io.Discard, near)
				}()
				began := time.Now()
				err := accept(far)
				if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != handshakeLimit {
					t.Errorf("got %v after %v", err, time.Since(began))
				}
				far.Close()
			})
		})
	}
}

func TestHandshake(t *testing.T) {
	for name, lines := range map[string][][2]string{
		"at once":            {{"AUTH EXTERNAL 30", "OK "}, {"BEGIN", ""}},
		"in two steps":       {{"AUTH EXTERNAL", "DATA"}, {"DATA 30", "OK "}, {"BEGIN", ""}},
		"by trial":           {{"AUTH", "REJECTED EXTERNAL"}, {"AUTH EXTERNAL 30", "OK "}, {"BEGIN", ""}},
		"another mechanism":  {{"AUTH DBUS_COOKIE_SHA1 30", "REJECTED EXTERNAL"}, {"AUTH EXTERNAL 30", "OK "}, {"BEGIN", ""}},
		"with descriptors":   {{"AUTH EXTERNAL 30", "OK "}, {"NEGOTIATE_UNIX_FD", "ERROR"}, {"BEGIN", ""}},
		"with another mind":  {{"AUTH EXTERNAL", "DATA"}, {"CANCEL", "REJECTED EXTERNAL"}, {"AUTH EXTERNAL 30", "OK "}, {"BEGIN", ""}},
		"with unknown words": {{"HELP", "ERROR"}, {"", "ERROR"}, {"AUTH EXTERNAL 30", "OK "}, {"BEGIN", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := net.Pipe()
			defer near.Close()
			done := make(chan error, 1)
			go func() { done <- accept(far) }()
			if _, err := near.Write([]byte{0}); err != nil {
				t.Fatal(err)
			}
			answers := bufio.NewReader(near)
			for _, line := range lines {
				if _, err := io.WriteString(near, line[0]+"\r\n"); err != nil {
					t.Fatal(err)
				}
				if line[1] == "" {
					break
				}
				if got, err := answers.ReadString('\n'); err != nil || !strings.HasPrefix(got, line[1]) || !strings.HasSuffix(got, "\r\n") {
					t.Errorf("%q is answered by %q, %v", line[0], got, err)
				}
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestBeginWithoutAuth must not get by: the protocol has an order.
func TestBeginWithoutAuth(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		_, _ = io.WriteString(near, "\x00BEGIN\r\n")
		near.Close()
	}()
	if err := accept(far); err == nil {
		t.Error("BEGIN is taken before AUTH")
	}
}
