package nginx

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Listener is a socket on which clients arrive: listening TCP or unix, or
// bound UDP.
type Listener struct {
	// Inode identifies the socket. A successor that inherited it shows the
	// same number.
	Inode uint64
	// Network is tcp, udp or unix.
	Network string
	// Address is host:port, a path, or @name for an abstract unix socket.
	Address string
}

func (l Listener) String() string {
	if l.Network == "unix" {
		return "unix:" + l.Address
	}
	return l.Network + " " + l.Address
}

// Listeners returns the sockets on which a process awaits clients. A master
// holds them all and no client connections, so it is the one to ask
// (OpenResty's workers close those of other workers).
//
// It copies each descriptor for an instant (pidfd_getfd, Linux 5.6) to ask the
// socket itself: the kernel's tables would have to be read whole, connections
// and all, which is done only where that is forbidden. It needs the right to
// trace the process.
func (p *Process) Listeners() ([]Listener, error) {
	sockets, err := p.sockets()
	if err != nil && !p.Alive() {
		err = ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list the sockets of pid %d: %w", p.PID, err)
	}
	var found []Listener
	for fd, inode := range sockets {
		l, ok, err := p.listener(fd)
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
			return tableListeners(p.PID, slices.Collect(maps.Values(sockets)))
		}
		if err != nil {
			return nil, fmt.Errorf("cannot look at socket %d of pid %d: %w", fd, p.PID, err)
		}
		if ok {
			l.Inode = inode
			found = append(found, l)
		}
	}
	if !p.Alive() { // a zombie has no descriptors, and its number may be taken
		return nil, fmt.Errorf("cannot list the sockets of pid %d: %w", p.PID, ErrGone)
	}
	slices.SortFunc(found, byInode)
	return found, nil
}

// HoldsAny reports whether the process has any of the sockets open. It does not
// ask for their addresses, so it costs no more with many connections.
func (p *Process) HoldsAny(sockets []Listener) (bool, error) {
	open, err := p.sockets()
	if err != nil {
		return false, err
	}
	for _, inode := range open {
		if slices.ContainsFunc(sockets, func(l Listener) bool { return l.Inode == inode }) {
			return true, nil
		}
	}
	return false, nil
}

func byInode(a, b Listener) int { return cmp.Compare(a.Inode, b.Inode) }

// sockets returns the inodes of a process' sockets by descriptor.
func (p *Process) sockets() (map[int]uint64, error) {
	dir := procPath(p.PID, "fd")
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := make(map[int]uint64)
	for _, n := range names {
		inode, ok := socketInode(dir + "/" + n.Name())
		if !ok {
			continue
		}
		fd, err := strconv.Atoi(n.Name())
		if err != nil {
			return nil, err
		}
		found[fd] = inode
	}
	return found, nil
}

func socketInode(link string) (uint64, bool) {
	target, err := os.Readlink(link)
	if err != nil {
		return 0, false
	}
	number, ok := strings.CutPrefix(target, "socket:[")
	if !ok {
		return 0, false
	}
	inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64)
	return inode, err == nil
}

// listener reports false for a descriptor that is closed by now or on which
// nobody arrives.
func (p *Process) listener(remote int) (l Listener, ok bool, err error) {
	var fd int
	var got error
	if err := p.control(func(pidfd int) { fd, got = unix.PidfdGetfd(pidfd, remote, 0) }); err != nil {
		return Listener{}, false, err
	}
	if errors.Is(got, unix.EBADF) || errors.Is(got, unix.ESRCH) {
		return Listener{}, false, nil
	}
	if got != nil {
		return Listener{}, false, got
	}
	defer unix.Close(fd)
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return Listener{}, false, err
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		return Listener{}, false, err
	}
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return Listener{}, false, err
	}
	l = describe(address, kind)
	if l.Network == "udp" {
		// A resolver's or syslog's socket is connected, a listener is not.
		_, err := unix.Getpeername(fd)
		return l, errors.Is(err, unix.ENOTCONN), nil
	}
	return l, l.Network != "" && listening == 1, nil
}

func describe(address unix.Sockaddr, kind int) Listener {
	network := map[int]string{unix.SOCK_STREAM: "tcp", unix.SOCK_DGRAM: "udp"}[kind]
	switch a := address.(type) {
	case *unix.SockaddrInet4:
		return inet(network, netip.AddrFrom4(a.Addr), a.Port)
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(a.Addr)
		if a.ZoneId != 0 {
			addr = addr.WithZone(strconv.Itoa(int(a.ZoneId)))
		}
		return inet(network, addr, a.Port)
	case *unix.SockaddrUnix:
		if kind == unix.SOCK_STREAM {
			return Listener{Network: "unix", Address: a.Name}
		}
	}
	return Listener{}
}

func inet(network string, addr netip.Addr, port int) Listener {
	if network == "" || port == 0 {
		return Listener{}
	}
	return Listener{Network: network, Address: netip.AddrPortFrom(addr, uint16(port)).String()}
}

// Missing returns the listeners of one master that another does not hold.
func Missing(from, in []Listener) []Listener {
	held := make(map[uint64]bool, len(in))
	for _, l := range in {
		held[l.Inode] = true
	}
	var missing []Listener
	for _, l := range from {
		if !held[l.Inode] {
			missing = append(missing, l)
		}
	}
	return missing
}
