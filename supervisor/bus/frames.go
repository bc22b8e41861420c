package bus

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/godbus/dbus/v5"
)

const (
	maxMessage = 64 << 10 // bytes of what is for us; the longest call takes some hundred
	maxHeader  = 4 << 10
	// longestEver is the limit of the D-Bus specification.
	longestEver = 1 << 27
	fixedHeader = 16 // up to and with the length of the header's fields
)

// frames reads messages and leaves out those that are too big, before memory is
// spent on them. Whoever sent one gets an answer through refuse.
type frames struct {
	in     *bufio.Reader
	left   int // of the message that is being read
	refuse func(sender string, serial uint32)
}

func newFrames(r io.Reader) frames { return frames{in: bufio.NewReaderSize(r, fixedHeader+maxHeader)} }

func (f *frames) Read(p []byte) (int, error) {
	for f.left == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	n, err := f.in.Read(p[:min(len(p), f.left)])
	f.left -= n
	return n, err
}

// next looks at the beginning of a message.
func (f *frames) next() error {
	b, err := f.in.Peek(fixedHeader)
	if err != nil {
		return err
	}
	var order binary.ByteOrder
	switch b[0] {
	case 'l':
		order = binary.LittleEndian
	case 'B':
		order = binary.BigEndian
	default:
		return errors.New("not a message")
	}
	body, fields := uint64(order.Uint32(b[4:])), uint64(order.Uint32(b[12:]))
	length := fixedHeader + (fields+7)/8*8 + body
	if length > longestEver {
		return errors.New("a message is longer than D-Bus allows")
	}
	if length <= maxMessage {
		f.left = int(length)
		return nil
	}
	wantsReply := dbus.Type(b[1]) == dbus.TypeMethodCall && dbus.Flags(b[2])&dbus.FlagNoReplyExpected == 0
	if wantsReply && fields <= maxHeader && f.refuse != nil {
		serial := order.Uint32(b[8:])
		header, err := f.in.Peek(fixedHeader + int(fields))
		if err != nil {
			return err
		}
		f.refuse(senderOf(header[fixedHeader:], order), serial)
	}
	_, err = f.in.Discard(int(length))
	return err
}

// senderOf looks for the sender in the fields of a header, an array of (yv). What
// is not as it should be has none.
func senderOf(fields []byte, order binary.ByteOrder) string {
	at := 0
	for at+4 <= len(fields) {
		code, kind := fields[at], fields[at+2]
		if fields[at+1] != 1 {
			return "" // no field has a compound type
		}
		at += 4
		length := 4
		switch kind {
		case 's', 'o':
			if at+4 > len(fields) {
				return ""
			}
			length = int(min(order.Uint32(fields[at:]), longestEver)) + 1
			at += 4
		case 'g':
			if at >= len(fields) {
				return ""
			}
			length = int(fields[at]) + 2
		case 'u':
		default:
			return ""
		}
		if at+length > len(fields) {
			return ""
		}
		if code == byte(dbus.FieldSender) && kind == 's' {
			return string(bytes.TrimRight(fields[at:at+length], "\x00"))
		}
		at = (at + length + 7) / 8 * 8
	}
	return ""
}
