package nginx

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Where pidfd_getfd is not to be had (seccomp in a container, Yama), the
// kernel's socket tables tell the same, at the price of a line for each
// connection of the network namespace.
var netTables = []struct {
	file  string
	parse func(line string) (Listener, bool)
}{
	{"net/tcp", func(l string) (Listener, bool) { return parseInet("tcp", "0A", l) }},
	{"net/tcp6", func(l string) (Listener, bool) { return parseInet("tcp", "0A", l) }},
	{"net/udp", func(l string) (Listener, bool) { return parseInet("udp", "07", l) }},
	{"net/udp6", func(l string) (Listener, bool) { return parseInet("udp", "07", l) }},
	{"net/unix", parseUnix},
}

// tableListeners returns the listeners of a process by way of its socket
// tables.
func tableListeners(pid int, inodes []uint64) ([]Listener, error) {
	own := make(map[uint64]bool, len(inodes))
	for _, inode := range inodes {
		own[inode] = true
	}
	var found []Listener
	for _, table := range netTables {
		f, err := os.Open(procPath(pid, table.file))
		if errors.Is(err, os.ErrNotExist) {
			continue // IPv6 is switched off
		}
		if err != nil {
			return nil, err
		}
		listeners, err := parseTable(f, table.parse)
		f.Close()
		if err != nil {
			return nil, err
		}
		for _, l := range listeners {
			if own[l.Inode] {
				found = append(found, l)
			}
		}
	}
	slices.SortFunc(found, byInode)
	return found, nil
}

func parseTable(r io.Reader, parse func(string) (Listener, bool)) ([]Listener, error) {
	var found []Listener
	lines := bufio.NewScanner(r)
	lines.Scan() // the heading
	for lines.Scan() {
		if l, ok := parse(lines.Text()); ok {
			found = append(found, l)
		}
	}
	return found, lines.Err()
}

// parseInet reads a line of net/tcp, net/udp and their like: sl, local and
// remote address, state, queues, timer, retransmits, uid, timeout, inode.
func parseInet(network, state, line string) (Listener, bool) {
	f := strings.Fields(line)
	if len(f) < 10 || f[3] != state {
		return Listener{}, false
	}
	address, err := parseHexAddress(f[1])
	if err != nil {
		return Listener{}, false
	}
	inode, err := strconv.ParseUint(f[9], 10, 64)
	return Listener{Inode: inode, Network: network, Address: address.String()}, err == nil
}

// parseHexAddress reads 0100007F:0050. The address consists of 32-bit words in
// the machine's byte order.
func parseHexAddress(text string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if !ok || err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, fmt.Errorf("not an address: %q", text)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, _ := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(addr, uint16(n)), err
}

// parseUnix reads a line of net/unix: num, refcount, protocol, flags, type,
// state, inode, path.
//
// The path is taken as it stands, spaces and all.
func parseUnix(line string) (Listener, bool) {
	var f [7]string
	path := line
	for i := range f {
		f[i], path, _ = strings.Cut(strings.TrimLeft(path, " "), " ")
	}
	const acceptsConnections, stream = "00010000", "0001" // __SO_ACCEPTCON, SOCK_STREAM
	if path == "" || f[3] != acceptsConnections || f[4] != stream {
		return Listener{}, false
	}
	inode, err := strconv.ParseUint(f[6], 10, 64)
	return Listener{Inode: inode, Network: "unix", Address: path}, err == nil
}
