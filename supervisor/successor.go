package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// findSuccessor looks for the process that old has exec'ed.
func (c *cycle) findSuccessor() (bool, error) {
	tree, err := nginx.ReadTree(c.old.ID)
	if err != nil {
		return false, fmt.Errorf("the old master is gone: %w", err)
	}
	for _, child := range c.newcomers(tree) {
		p, err := c.hold(child.ID)
		if errors.Is(err, nginx.ErrGone) {
			continue
		}
		if err != nil {
			return false, err
		}
		if ok, err := c.runsCandidate(p); !ok || err != nil {
			return false, err
		}
		c.successor = p
		c.rec.Successor.PID, c.rec.Successor.Start = p.PID, p.Start
		c.s.publish(func(v *view) { v.successor = &p.ID })
		return true, c.s.store.SaveRunning(c.rec)
	}
	return false, c.cameUp()
}

// newcomers are what old has exec'ed since USR2. Its modules may have executed
// programs of their own before.
func (c *cycle) newcomers(tree nginx.Tree) []nginx.Child {
	return slices.DeleteFunc(tree.Successors(), func(child nginx.Child) bool { return slices.Contains(c.rec.Strangers, child.ID) })
}

// runsCandidate compares what a process executes with what was verified.
func (c *cycle) runsCandidate(p *nginx.Process) (bool, error) {
	sha, err := nginx.HashExe(p.PID)
	// A process that ends has let go of its binary a moment before a pidfd says so.
	if !p.Alive() || errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot read what pid %d executes: %w", p.PID, err)
	}
	if sha != c.rec.Successor.SHA256 {
		return false, fmt.Errorf("pid %d executes another file (%s…) than the one that was verified (%s…)", p.PID,
			hash8(sha), hash8(c.rec.Successor.SHA256))
	}
	return true, nil
}

// cameUp is asked while there is no successor. An old master that has dealt
// with USR2, waits again and has neither a successor nor a child that may
// become one has none to come: USR2 was refused, the file could not be
// executed, or it ended at once.
func (c *cycle) cameUp() error {
	if c.usr2At.IsZero() {
		return nil
	}
	if !c.usr2Done() {
		return nil
	}
	exit := c.loggedExit(c.rec.Old.PID, 0)
	text := "the successor did not come up"
	if exit.Known {
		text = fmt.Sprintf("the successor %v at its start", exit)
	}
	return &badSign{c.explained(text), condemns(exit) && exit.Signal != 0}
}

// usr2Done reports whether USR2 has had its effect and there is no successor: old
// waits for signals again and has no child that is one or may become one.
func (c *cycle) usr2Done() bool {
	signals, err := nginx.ReadSignals(c.old.PID)
	if err != nil || !signals.Waiting() {
		return false
	}
	// The order matters: what old forked before it waited is there now, but
	// between fork and execve it looks like a worker that starts.
	tree, err := nginx.ReadTree(c.old.ID)
	return err == nil && len(c.newcomers(tree)) == 0 && len(tree.With(nginx.RoleStarting)) == 0
}

// lastMoment is how long a process that has closed its files may still count as
// alive. Until then they are missing, and nobody knows why.
const lastMoment = 20 * time.Millisecond

// reapLimit is how long a master may take to reap its successor. Until then the
// kernel does not tell how it ended, and whether the build is to be condemned.
const reapLimit = 2 * time.Second

// unlessEnded returns how the successor ended, if it did so this moment, and
// otherwise what was found in its files.
func (c *cycle) unlessEnded(err error) error {
	c.successor.ExitWithin(lastMoment)
	if ended := c.successorLives(); ended != nil {
		return ended
	}
	return err
}

// successorListens is a bad sign when somebody has told the successor to go: with
// old frozen nobody accepts until it has finished, and that probes fail then says
// nothing about the build. Of one whose old master had nothing to close it cannot be
// seen.
func (c *cycle) successorListens() error {
	inherited := c.rec.Old.streams()
	if held, err := c.successor.HoldsAny(inherited); err != nil || held || len(inherited) == 0 || c.successorStays() {
		return nil
	}
	if err := c.unlessEnded(nil); err != nil {
		return err
	}
	// A reload may have exchanged its sockets while they were looked at, or for UDP.
	// Workers of one that was told to go say so in a moment.
	if tree, err := nginx.ReadTree(c.successor.ID); err == nil && len(tree.With(nginx.RoleWorker, nginx.RoleStarting)) > 0 {
		return nil
	}
	c.takenBack = true
	return &badSign{text: fmt.Sprintf("somebody has told successor %d to go", c.successor.PID)}
}

// wasTold reports whether a successor that ended like this was told to. Where the
// kernel does not tell, nginx writes to its log that one crashed, at a level that nearly
// everybody has, and nothing of one that has served and ended by itself.
func (c *cycle) wasTold(exit nginx.Exit) bool {
	return exit.Signal == 0 && exit.Code == 0 && (exit.Known || c.logs != nil && c.rec.Phase != Starting)
}

// successorLives returns how the successor ended if it did.
func (c *cycle) successorLives() error {
	if c.successor.Alive() {
		return nil
	}
	exit := c.successorExit()
	c.takenBack = c.wasTold(exit)
	return &badSign{c.explained(fmt.Sprintf("successor %d %v", c.successor.PID, exit)), condemns(exit)}
}
