package nginx

import (
	"os"
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

// workerOwnFDs is what a worker opens for itself: epoll and up to two eventfds
// (ngx_epoll_module.c: ngx_epoll_notify_init, ngx_epoll_aio_init).
const workerOwnFDs = 3

// Connections estimates how many client and upstream connections a worker has
// from the number of its descriptors, without looking at a single one.
//
// A worker shares its master's descriptors, except that of the two ends of
// each process' channel, which the master keeps, it has one. The estimate is
// never below zero; open files and upstream connections count as well.
func Connections(worker, masterFDs, processes, listeners int, draining bool) int {
	n, _ := CountFDs(worker)
	own := masterFDs - processes + workerOwnFDs
	if draining {
		own -= listeners // ngx_close_listening_sockets
	}
	return max(0, n-own)
}
