package traffic

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// body returns a reader of the answer's body. It ends with io.EOF only where the
// body is whole; a connection that ends before gives io.ErrUnexpectedEOF. A body
// that lasts to the end of the connection cannot be told from one that was cut.
func (h *head) body(br *bufio.Reader) io.Reader {
	switch {
	case h.status == 204, h.status == 304:
		return &counted{r: br}
	case h.chunked:
		return &chunks{r: br}
	case h.length >= 0:
		return &counted{r: br, left: h.length}
	}
	h.close = true
	return br
}

// counted reads a body of known length.
type counted struct {
	r    io.Reader
	left int64
}

func (c *counted) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = nil
		if c.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// chunks reads a chunked body (RFC 9112 section 7.1) and its trailer.
type chunks struct {
	r    *bufio.Reader
	left int64 // of the chunk at hand
	open bool  // a chunk has begun, its line end is still to come
	done bool
}

func (c *chunks) Read(p []byte) (int, error) {
	if c.left == 0 && !c.done {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if c.done {
		return 0, io.EOF
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// next goes on to the next chunk, or past the trailer after the last.
func (c *chunks) next() error {
	if c.open {
		line, err := readLine(c.r)
		if err != nil {
			return err
		}
		if len(line) > 0 {
			return malformedChunk(line)
		}
	}
	line, err := readLine(c.r)
	if err != nil {
		return err
	}
	size, _, _ := bytes.Cut(line, []byte(";"))
	c.left, err = strconv.ParseInt(string(bytes.TrimSpace(size)), 16, 64)
	if err != nil || c.left < 0 {
		return malformedChunk(line)
	}
	c.open = true
	if c.left > 0 {
		return nil
	}
	c.done = true
	for range maxHeaders {
		if line, err := readLine(c.r); err != nil || len(line) == 0 {
			return err
		}
	}
	return malformedChunk(nil)
}

func malformedChunk(line []byte) error {
	return fmt.Errorf("%w: chunk line %.40q", errMalformed, line)
}
