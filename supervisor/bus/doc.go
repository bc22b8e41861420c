// Package bus is the supervisor's D-Bus objects and their typed client.
//
// The same objects are served in two places. On a private socket, peer to peer,
// commands and package hooks reach the daemon without a bus, without a network
// and with a private /tmp; only root is let in, and the kernel tells who called
// (SO_PEERCRED). On the system bus, while there is one, everybody may read, and
// polkit decides who may act.
//
// Objects are looked up when they are called: instances come and go. What
// changes is told by the standard signals, a few times in a second at the most,
// and nothing is done while nothing changes. One caller cannot get in the way of
// others: messages that are too big are refused before they are read, and each
// sender has a few calls at a time.
package bus
