// Package nginx is nginx seen from outside: as processes (pidfd, /proc, pid
// files, listening sockets) and as a file (ELF, -V, hash). It observes and it
// signals; it decides nothing.
//
// Three rules hold throughout. A process is identified by pid and start time
// and signalled through a pidfd, so a recycled pid is never hit. Paths that
// belong to a master are opened below /proc/PID/root, because that is where
// the master itself would open them. And nothing here does work per client
// connection.
package nginx
