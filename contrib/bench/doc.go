// Command bench measures nginx-hotswap in throwaway machines (see contrib/box): the
// installed unit with its sandbox, the distribution's nginx and its packages, and
// traffic. What is compared takes turns in one run, so that a noisy machine does not
// favour a side.
//
//	make bench            everything, into contrib/bench/RESULTS.md: less than half an hour
//	make bench-quick      few and small runs, to see that everything can be measured
//	make bench-rollback   one part, on the terminal
//
// Each part is a file of its own, with the drawing up of its tables beside it:
//
//	clients    what clients notice of each way to another program, by release
//	bad        the same for a build whose workers crash
//	rollback   the way back: from the first bad sign until the old version accepts
//	cycle      what a cycle takes, beside the floor: the bare procedure without a check
//	drain      what the supervisor uses while old workers hold connections
//	idle       what it uses while nothing happens
//	keepalive  what clients lose that do not repeat a request
//
// No time is asserted: a goal that is missed is a line of the results. It fails
// where something cannot be measured, does not end as it has to, or where a request
// of an upgrade by nginx-hotswap fails.
//
// It needs root and what contrib/box/deps.sh installs, and changes nothing on the
// machine that it runs on. Parts that take another release build its root first, for
// which they need the network.
package main
