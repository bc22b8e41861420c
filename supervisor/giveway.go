package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// leaveLimit is how long masters whose unit ends may take, until their sockets are
// left to whoever starts nginx again.
const leaveLimit = 10 * time.Second

// giveWay ends a cycle whose unit is stopped, started anew or gone: nothing of
// it may be in the way of the next master.
func (c *cycle) giveWay(result Result) {
	if c.old.unit == nil {
		return
	}
	state, err := c.old.unit.State(c.ctx)
	if err != nil || result == Lost && state.ActiveState == "active" && c.successorStays() {
		return
	}
	if result == Overtaken {
		c.sendAway(c.successor)
		if state.MainPID != c.old.PID {
			c.sendAway(c.old.Process)
		}
	}
	if len(c.unixListeners()) > 0 {
		c.unlinkDeserted()
	}
}

// sendAway tells a master to go that systemd may not tell: with KillMode=process,
// and where the stop command goes by the main process, only one of two hears of
// it. One that still starts hears nothing.
func (c *cycle) sendAway(p *nginx.Process) {
	if p == nil || !p.Alive() {
		return
	}
	signal := unix.SIGQUIT
	if title, err := nginx.ReadTitle(p.PID); err == nil && title.Role == nginx.RoleStarting {
		signal = unix.SIGKILL
	}
	c.s.log.Debug(fmt.Sprintf("%s: %s sent to master %d, whose unit ends", c.rec.Instance, unix.SignalName(signal), p.PID))
	_ = p.Signal(signal) // it may be gone
}

// successorLeaves reports whether the successor was told to go before old was
// gone: then neither has removed the unix sockets.
func (c *cycle) successorLeaves() bool {
	if c.successor == nil || c.old.Alive() || len(c.unixListeners()) == 0 {
		return false
	}
	held, err := c.successor.Listeners()
	return err == nil && len(held) == 0 || !c.successor.Alive()
}

// unlinkDeserted removes unix sockets that both masters have left behind. Each
// leaves that to the other as long as there are two, and if systemd kills the
// second, nginx could not be started again: the address would be in use.
func (c *cycle) unlinkDeserted() {
	limited, cancel := context.WithTimeout(c.ctx, leaveLimit)
	defer cancel()
	err := c.runner().await(limited, true, func(context.Context) (bool, error) {
		if c.old.Alive() || c.successor != nil && c.successor.Alive() {
			return false, nil
		}
		// Workers may serve without a master until systemd ends the unit.
		left, err := nginx.Orphans(c.rec.Old.Listeners)
		return len(left) == 0, err
	})
	if err != nil {
		return
	}
	unlinkSockets(c.old.root, c.rec, c.s.log)
}

// unlinkDeserted does the same for the masters of a record that went while nobody
// was there. It looks in our own view: theirs went with them.
func unlinkDeserted(rec *Record, log *slog.Logger) {
	if left, err := nginx.Orphans(rec.Old.Listeners); err != nil || len(left) > 0 {
		return // workers without a master listen
	}
	if len(heirs(rec.Old.Listeners)) > 0 {
		return // somebody else has taken over
	}
	host, err := nginx.HostRoot()
	if err != nil {
		return
	}
	defer host.Close()
	unlinkSockets(host, rec, log)
	unlinkKept(host, rec, log)
}

// unlinkSockets removes the sockets of a record that still are those that the
// old master had: a new master may have bound its own already.
func unlinkSockets(root *nginx.Root, rec *Record, log *slog.Logger) {
	for _, l := range rec.unixListeners() {
		kept, err := root.Lstat(keptSocket(l))
		if err != nil {
			continue
		}
		if now, err := root.Lstat(l.Address); err != nil || !os.SameFile(kept, now) {
			continue
		}
		if err := root.Unlink(l.Address); err != nil {
			log.Warn("cannot remove a socket that nobody listens on any more; remove it by hand before nginx is started", "path", l.Address, "error", err)
		}
	}
}
