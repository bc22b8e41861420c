package systemd

import (
	"fmt"
	"strconv"
	"strings"
)

// EscapeLabel makes any text an element of a D-Bus object path, as
// sd_bus_path_encode(3) does: every byte that is no ASCII letter or digit, and a
// digit in front, is written as _xx, and a text without a byte as _.
func EscapeLabel(text string) string {
	if text == "" {
		return "_"
	}
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		if letter || digit && i > 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String()
}

// UnescapeLabel undoes EscapeLabel. It is false for what EscapeLabel does not
// write.
func UnescapeLabel(label string) (text string, ok bool) {
	if label == "_" {
		return "", true
	}
	var b strings.Builder
	for i := 0; i < len(label); i++ {
		if label[i] != '_' {
			b.WriteByte(label[i])
			continue
		}
		c, err := strconv.ParseUint(label[i+1:min(i+3, len(label))], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String(), EscapeLabel(b.String()) == label
}
