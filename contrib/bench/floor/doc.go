// Package floor carries out nginx's documented upgrade as early as the process
// table allows, and with nothing around it: no look at the new binary, no check of
// who listens where, no probe, no record, nobody who follows. It is what an upgrade
// cannot be faster than, and no way to upgrade a server.
//
// Where the kernel has no event (a child, a title) it looks every tenth of a
// millisecond; the end of the old master is told by its pidfd.
package floor
