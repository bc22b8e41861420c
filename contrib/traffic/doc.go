// Package traffic is the load of the zero-loss proof: it sends every kind of
// request that a binary upgrade of nginx could harm, all the time, and accounts
// for every single one of them.
//
// Five kinds of client run side by side, each bounded in number and rate:
//
//   - [New] opens a TCP connection for each request. It shows refused and reset
//     connections: a moment without a listening socket, an accept queue that was
//     thrown away.
//   - [Unix] does the same over a unix socket, whose file an upgrade can lose.
//   - [KeepAlive] holds one connection and uses it again and again.
//   - [Download] reads a long body slowly, so that the worker which began it is
//     told to stop while it still sends. The body must arrive whole.
//   - [Stream] holds a tunnel (HTTP Upgrade, as WebSocket) to an echo server
//     behind nginx and talks all the time.
//
// A [Load] counts from [Start] to [Load.Stop]; [Run] does both around a context:
//
//	load, err := traffic.Start(traffic.Config{Targets: site.Targets()})
//	...                      // upgrade nginx
//	report := load.Stop()
//	report.Table(os.Stdout)
//	if err := report.Verdict(); err != nil { ... }
//
// # What counts as a failure
//
// Each failure has exactly one kind, by the phase that the request was in and the
// error of the kernel: see [ConnectRefused] and its neighbours. A request that the
// load itself had to give up when its grace period ended is "unfinished", neither
// good nor failed, and shown as such.
//
// # Stale retries
//
// nginx closes idle keep-alive connections when a worker leaves, on a reload and
// on a binary upgrade alike, without looking for a request that has just arrived.
// The client then sees the end of the connection before the first byte of an
// answer. HTTP clients repeat such a request once on a fresh connection (RFC 9110
// section 9.2.2, RFC 9112 section 9.3.1); so does this one, and counts it as a
// stale retry, never as a failure, and always prints the two side by side. Seen
// from outside, a worker that crashes with a request on a used connection looks
// the same: a proof looks at both columns. The keepalive_min_timeout of nginx
// 1.27.4 closes the gap.
//
// # What it costs
//
// No sample is kept: latencies go into a histogram, versions and failures into
// short lists. The answers of [New] and [Unix] end with the server's close, so
// that the server's side of the connection waits in TIME_WAIT and the client's
// port is free at once; SO_LINGER is never touched. All new connections together
// are held to 10,000 a second.
package traffic
