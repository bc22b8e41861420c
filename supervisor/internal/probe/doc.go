// Package probe asks a running nginx whether it answers: over HTTP, HTTPS and
// TCP, or by a program. It reports what came back and how that compares with
// what came before; what follows from it is the supervisor's to decide.
//
// Connections go to the server itself. A name in a URL says which site is
// meant, not where it is: the connection goes to loopback, past any balancer
// or content delivery network that the name leads to. Nothing is resolved.
//
// They are made in the network namespace of the master (see [Namespace]). A
// unit around this needs CAP_SYS_ADMIN and CAP_SYS_PTRACE, must allow `net` in
// RestrictNamespaces= and AF_INET and AF_INET6 in RestrictAddressFamilies=, and
// must not have IPAddressDeny=, which goes by control group and so holds in
// every namespace. PrivateNetwork= does no harm.
package probe
