// Package bus is the supervisor's D-Bus object and its typed client.
//
// The object is served peer to peer on a private socket, so that commands and
// package hooks reach the daemon without a bus, without a network and with a
// private /tmp. Only root is let in: the kernel tells who called
// (SO_PEERCRED).
package bus
