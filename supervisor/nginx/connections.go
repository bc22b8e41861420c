package nginx

import (
	"os"
	"strconv"
)

// CountFDs returns how many descriptors a process has open. Since Linux 6.2
// stat(2) on /proc/PID/fd tells; before, the directory has to be read, entry
// by entry, and cheap is false: then ask seldom.
func CountFDs(pid int) (n int, cheap bool) {
	dir := procPath(pid, "fd")
	if info, err := os.Stat(dir); err == nil && info.Size() > 0 {
		return int(info.Size()), true
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return 0, false
	}
	return len(names), false
}

// Estimate tells how many client and upstream connections the workers of one
// master have, from the number of their descriptors, without going through them.
//
// A worker shares its master's descriptors, except that of the two ends of
// each process' channel, which the master keeps, it has one. The estimate is
// never below zero; open files and upstream connections count as well. It was
// measured with 1.22.1 at 0 and at 37 connections, with two and four workers,
// accepting and draining, and is exact there.
type Estimate struct {
	MasterFDs, Processes, Listeners int

	events int // of each worker; 0 until one has shown them
}

// Connections is the estimate for one worker.
func (e *Estimate) Connections(worker int, draining bool) int {
	n, _ := CountFDs(worker)
	if e.events == 0 {
		e.events = eventFDs(worker, e.MasterFDs)
	}
	own := e.MasterFDs - e.Processes + e.events
	if e.events == 0 {
		own += 2 // no right to look, or it has just been started
	}
	if draining {
		own -= e.Listeners // ngx_close_listening_sockets
	}
	return max(0, n-own)
}

// eventFDs counts what a worker opens for its event loop: epoll, an eventfd
// for its threads and, only when built --with-file-aio, one more
// (ngx_epoll_notify_init, ngx_epoll_aio_init). It opens them before the first
// connection, so they are among the lowest numbers. The master's table may have
// been twice as large at that time, when a reload had both configurations open.
// Each number is a system call: with many workers it is enough to look at one.
func eventFDs(worker, masterFDs int) int {
	found := 0
	for fd := range 2*masterFDs + 16 {
		switch target, _ := os.Readlink(procPath(worker, "fd/"+strconv.Itoa(fd))); target {
		case "anon_inode:[eventpoll]", "anon_inode:[eventfd]":
			found++
		}
	}
	return found
}
