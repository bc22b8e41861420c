// Package systemd is systemd seen as the keeper of nginx's unit and of our own.
//
// It observes and acts, and decides nothing:
//
//   - [Unit.State] and [Changes] tell what PID 1 thinks of a unit, over D-Bus.
//   - [Unit.Run] runs a command (nginx -t) in a transient unit that has the
//     sandbox of the unit, because a test that runs in the sandbox of the
//     daemon sees other files, other limits and another security context.
//   - [Notifier] speaks for ourselves over sd_notify(3); [NotifyAs] speaks for
//     the main process of another unit.
//   - [Unit.WaitMainPID] reads back whether PID 1 followed a new master.
//   - [NewHandler] is the log/slog handler for the journal.
//
// # How PID 1 is reached
//
// Root talks to PID 1 over its private socket, which needs no D-Bus daemon and
// so works in early boot and while the daemon is being restarted; others go
// over the system bus. Questions share a connection that is dialled on demand,
// ends when nobody has asked for a second, and is made anew after a
// daemon-reexec. Only the feed of [Changes] keeps one, and it reconnects by
// itself.
//
// # What was measured
//
// The behaviour described here was verified on systemd 247, 252, 257 and
// 262. Properties that a version does not have read as zero.
package systemd
