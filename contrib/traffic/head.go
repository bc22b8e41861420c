package traffic

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// maxHeaders bounds the header lines of one answer. A line longer than the
// reader's buffer is refused by ReadSlice.
const maxHeaders = 100

// head is what we read of an answer's status line and header.
type head struct {
	status  int
	server  string // the Server field, "nginx/1.22.1"
	length  int64  // Content-Length, -1 without one
	chunked bool
	close   bool // the connection ends with this answer
}

// readHead reads the final status line and header, past interim 1xx answers
// other than 101. Its errors are those of the connection, or wrap errMalformed.
func readHead(br *bufio.Reader) (head, error) {
	for {
		h, err := readOneHead(br)
		if err != nil || h.status/100 != 1 || h.status == 101 {
			return h, err
		}
	}
}

func readOneHead(br *bufio.Reader) (head, error) {
	h := head{length: -1}
	line, err := readLine(br)
	if err != nil {
		return h, err
	}
	if err := h.statusLine(line); err != nil {
		return h, err
	}
	for range maxHeaders {
		line, err := readLine(br)
		if err != nil || len(line) == 0 {
			return h, err
		}
		if err := h.field(line); err != nil {
			return h, err
		}
	}
	return h, fmt.Errorf("%w: more than %d header lines", errMalformed, maxHeaders)
}

// statusLine takes "HTTP/1.x NNN reason".
func (h *head) statusLine(line []byte) error {
	version, rest, _ := bytes.Cut(line, []byte(" "))
	code, _, _ := bytes.Cut(rest, []byte(" "))
	status, err := strconv.Atoi(string(code))
	if !bytes.HasPrefix(version, []byte("HTTP/1.")) || err != nil || len(code) != 3 {
		return fmt.Errorf("%w: status line %.40q", errMalformed, line)
	}
	h.status = status
	h.close = string(version) == "HTTP/1.0"
	return nil
}

func (h *head) field(line []byte) error {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return fmt.Errorf("%w: header line %.40q", errMalformed, line)
	}
	value = bytes.TrimSpace(value)
	switch {
	case equalFold(name, "server"):
		h.server = string(value)
	case equalFold(name, "content-length"):
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("%w: Content-Length %.40q", errMalformed, value)
		}
		h.length = n
	case equalFold(name, "transfer-encoding"):
		h.chunked = equalFold(value, "chunked")
	case equalFold(name, "connection"):
		h.close = h.close && !equalFold(value, "keep-alive") || equalFold(value, "close")
	}
	return nil
}

func equalFold(b []byte, s string) bool { return bytes.EqualFold(b, []byte(s)) }

// readLine returns the next line without its end, valid until the next read.
func readLine(br *bufio.Reader) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("%w: line %.40q... is too long", errMalformed, line)
	case errors.Is(err, io.EOF):
		return nil, io.ErrUnexpectedEOF
	case err != nil:
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}
