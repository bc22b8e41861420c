package systemd

import (
	"io"
	"os"
	"time"
)

// output collects what a command writes into a pipe. A goroutine reads, so that
// a command which writes more than is kept, or than a pipe holds, never blocks.
type output struct {
	r, w *os.File
	kept chan []byte
}

func newOutput() (*output, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	o := &output{r: r, w: w, kept: make(chan []byte, 1)}
	go func() {
		b, _ := io.ReadAll(io.LimitReader(r, outputLimit))
		// The rest is read and forgotten.
		_, _ = io.Copy(io.Discard, r)
		o.kept <- b
	}()
	return o, nil
}

// writer is the end to hand to the command.
func (o *output) writer() *os.File {
	return o.w
}

// started closes our copy of the writing end: the pipe now ends with the last
// process that holds it.
func (o *output) started() {
	o.w.Close()
}

// bytes waits for the end of the output. PID 1 kills all that a unit leaves
// behind, so it comes at once; a second is for the case that it does not.
func (o *output) bytes() []byte {
	_ = o.r.SetReadDeadline(time.Now().Add(time.Second))
	return <-o.kept
}

func (o *output) close() {
	o.w.Close()
	o.r.Close()
}
