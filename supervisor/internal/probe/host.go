package probe

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// isPort reports whether a text is a port that can be connected to.
func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// isHost reports whether a text can stand in a Host field: a name or an
// address, with or without a port.
func isHost(text string) bool {
	if host, port, err := net.SplitHostPort(text); err == nil && isPort(port) {
		text = host
	}
	if _, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return true
	}
	return isName(text)
}

// isName tells the name of one site from nginx's patterns for many
// (`*.example.org`, `.example.org`, `~^www`) and from its catch-all (`_`).
func isName(text string) bool {
	if len(text) > 253 || text == "_" {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(text, "."), ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
				return false
			}
		}
	}
	return true
}

// nameOf is the name of the site in a Host: what SNI and certificates know.
// It is empty for an address, and for localhost, which is no site.
func nameOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if !isName(host) || host == "localhost" {
		return ""
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	return host
}
