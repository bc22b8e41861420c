package supervisor

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// sendUSR2 is the act of Starting. What old has now is written down first: it
// is what the successor must take over, and what a way back must restore.
func (c *cycle) sendUSR2(ctx context.Context) error {
	if c.candidate == nil {
		return nil // resumed: it was sent, or there would be no successor
	}
	var err error
	if c.rec.Old.Listeners, err = c.old.Listeners(); err != nil {
		return err
	}
	c.learn(ctx)
	if err := c.linkUnixListeners(); err != nil {
		return err
	}
	if err := c.stillVerified(); err != nil {
		return err
	}
	if err := c.stillAlone(ctx); err != nil {
		return err
	}
	if err := c.s.store.SaveRunning(c.rec); err != nil {
		return err
	}
	c.openLogs(c.old.Process)
	if err := c.old.Signal(unix.SIGUSR2); err != nil {
		return err
	}
	c.usr2At = time.Now()
	return nil
}

// stillAlone makes sure that nobody has begun an upgrade, told old to go or given the
// unit a job since the pre-flight: the configuration test may have taken long, and
// the place in the line. A reload would look for the pid file in vain while USR2
// has it renamed.
func (c *cycle) stillAlone(ctx context.Context) error {
	tree, err := nginx.ReadTree(c.old.ID)
	if err != nil {
		return err
	}
	if err := c.old.upgradedByOthers(tree); err != nil {
		return err
	}
	if len(tree.With(nginx.RoleWorker, nginx.RoleStarting)) == 0 {
		return &Refusal{ReasonUnitBusy, c.old.name() + " accepts no connections any more", "it is looked at again"}
	}
	c.rec.Old.Workers = identities(tree.With(nginx.RoleWorker))
	c.rec.Strangers = identities(tree.Successors())
	return c.old.unitFit(ctx)
}

func identities(children []nginx.Child) []nginx.ID {
	ids := make([]nginx.ID, len(children))
	for i, child := range children {
		ids[i] = child.ID
	}
	return ids
}

// stillVerified makes sure that USR2 executes what was verified.
func (c *cycle) stillVerified() error {
	now, err := c.old.root.Stat(c.candidate.path)
	if err != nil {
		return c.old.unreadable(err)
	}
	then, err := c.candidate.file.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(now, then) || !now.ModTime().Equal(then.ModTime()) || now.Size() != then.Size() {
		return &Refusal{ReasonBeingWritten, c.candidate.path + " changed after it was verified", "the new file is looked at"}
	}
	return nil
}

// successorServes is the condition of Starting.
func (c *cycle) successorServes(context.Context) (bool, error) {
	if c.usr2At.IsZero() {
		return false, nil // a successor that is there is somebody else's
	}
	if c.successor == nil {
		found, err := c.findSuccessor()
		if !found || err != nil {
			return false, err
		}
	}
	if err := c.successorLives(); err != nil {
		return false, err
	}
	ready, tree, err := c.ready()
	if !ready || err != nil {
		return false, err
	}
	if err := c.takesOver(); err != nil {
		return false, err
	}
	c.rec.Successor.Workers = identities(tree.With(nginx.RoleWorker))
	c.newest = newestWorker(tree)
	c.started(len(c.rec.Successor.Workers))
	return true, nil
}

func (c *cycle) started(workers int) {
	if c.usr2At.IsZero() {
		return // resumed: it was told before
	}
	c.s.audit().Cycle(EventStarted, c.rec, time.Since(c.usr2At), "USR2 sent to master %d, successor %d serves with %s after %v",
		c.old.PID, c.successor.PID, plural(workers, "worker"), since(c.usr2At))
}

// ready reports whether the successor waits in its cycle and all its workers
// are past initialisation.
func (c *cycle) ready() (bool, nginx.Tree, error) {
	// A worker that crashes must not be forgotten because the master was busy
	// starting another in its place.
	if tree, err := nginx.ReadTree(c.successor.ID); err == nil {
		if err := c.lookAtWorkers(tree); err != nil {
			return false, tree, err
		}
	}
	title, err := nginx.ReadTitle(c.successor.PID)
	if err != nil || title.Role != nginx.RoleMaster {
		return false, nginx.Tree{}, nil
	}
	if signals, err := nginx.ReadSignals(c.successor.PID); err != nil || !signals.Waiting() {
		return false, nginx.Tree{}, nil
	}
	tree, err := nginx.ReadTree(c.successor.ID)
	if err != nil {
		return false, nginx.Tree{}, nil
	}
	if err := c.lookAtWorkers(tree); err != nil {
		return false, tree, err
	}
	workers, starting := tree.With(nginx.RoleWorker), tree.With(nginx.RoleStarting)
	if err := c.workerless(len(workers) + len(starting)); err != nil {
		return false, tree, err
	}
	// Of those in asked it is not known yet how they ended.
	return len(workers) > 0 && len(starting) == 0 && len(c.asked) == 0, tree, nil
}

// workerless is the end of a successor that waits for signals and has no workers:
// it does not start those again that have ended with a fatal code. For an
// instant it is like that whenever a worker has ended.
func (c *cycle) workerless(workers int) error {
	if workers > 0 {
		c.emptySince = time.Time{}
		return nil
	}
	if c.emptySince.IsZero() {
		c.emptySince = time.Now()
	}
	if time.Since(c.emptySince) < unshifted {
		return nil
	}
	return &badSign{text: c.explained(fmt.Sprintf("successor %d has no workers", c.successor.PID))}
}

// takesOver makes sure that the successor holds every socket on which clients
// arrive at old: what it lacks would be a black hole once old accepts no more.
func (c *cycle) takesOver() error {
	held, err := c.successor.Listeners()
	if err != nil {
		return c.unlessEnded(err)
	}
	missing := nginx.Missing(c.rec.Old.Listeners, held)
	if len(missing) == 0 {
		return nil
	}
	return c.unlessEnded(fmt.Errorf("successor %d lacks %s of the old master's listeners (%s); reload nginx first, so that both agree", c.successor.PID, plural(len(missing), "one", "some"), missing[0]))
}

// plural is "1 worker", "2 workers"; with two words it is one or the other.
func plural(n int, words ...string) string {
	if len(words) == 2 {
		if n == 1 {
			return words[0]
		}
		return words[1]
	}
	if n == 1 {
		return "1 " + words[0]
	}
	return fmt.Sprintf("%d %ss", n, words[0])
}
