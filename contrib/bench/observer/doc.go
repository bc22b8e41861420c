// Package observer watches an upgrade of nginx from outside of nginx-hotswap: it
// reads /proc and asks for pages, and neither knows nor asks what the supervisor
// does. What it sees has the time of the wall clock, which the journal of the same
// machine has too.
//
// The end of a process is told by its pidfd. For what the kernel has no event (a
// new child, a title) the processes are read every half millisecond, so such a
// moment is seen by that much late; a worker that lives shorter is not seen at all.
// A client of its own asks for a page on a fresh connection all the time, a
// millisecond after the answer before.
package observer
