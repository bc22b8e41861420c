package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// goBack carries out the rollback table. What is decided is written down
// before anything is done: a build that is condemned stays so whatever becomes
// of us.
func (c *cycle) goBack(ctx context.Context, from Phase, cause error) (Result, error) {
	c.rec.Reason = cause.Error()
	c.rec.Condemned = condemned(cause) && c.rec.Drift == ""
	if c.rec.Condemned {
		c.s.quarantine(c.rec)
	}
	c.s.audit().Cycle(EventRollback, c.rec, 0, "%s; going back to %s", c.rec.Reason, c.rec.Old.Version)
	if c.noWayBack() {
		return c.goForward(ctx)
	}
	err := c.runner().run(ctx, c.wayBack(), from)
	if ctx.Err() == nil && c.unfollowed(err) {
		c.s.log.Warn(fmt.Sprintf("%s: systemd does not follow old master %d yet, the successor goes all the same", c.rec.Instance, c.old.PID), "error", err)
		err = c.runner().run(ctx, c.wayBack(), Dismissing)
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if !c.old.Alive() {
		return c.lostOld(ctx) // killed on the way back
	}
	if c.noWayBack() {
		return c.goForward(ctx) // told to go meanwhile
	}
	if failed, ok := errors.AsType[*StepError](err); ok {
		return c.stuck(failed)
	}
	if result, why := c.unitEnds(ctx); result != "" {
		return c.finish(result, why), nil
	}
	c.catchUp(ctx)
	return c.finish(RolledBack, c.rec.Reason), nil
}

// quarantine remembers a build that crashed or answered wrongly.
func (s *Supervisor) quarantine(rec *Record) {
	s.remember(func(a *Attachment) {
		if a.condemnation(rec.Successor.Key()) != nil {
			return
		}
		a.Quarantine = append(a.Quarantine, Condemned{Key: rec.Successor.Key(), SHA256: rec.Successor.SHA256, Version: rec.Successor.Version,
			Reason: rec.Reason, Cycle: rec.ID, Since: time.Now()})
	})
}

// restored is the condition of Restoring.
func (c *cycle) restored(context.Context) (bool, error) { return c.restoreDone, nil }

// restore is the act of Restoring. It never fails the rollback: nginx serves,
// and what is left is a difference between disk and memory, which is told.
func (c *cycle) restore(ctx context.Context) error {
	c.restoreDone = true
	c.s.publish(func(v *view) { v.successor = nil })
	c.leaveLine() // others need not wait with us for a package transaction's end
	if !c.rec.Condemned {
		return nil
	}
	// Whoever waits for the cycle may be a package script that holds the
	// lock which is waited for here.
	c.old.endOwnReload()
	out := c.outcome(c.ending())
	c.s.answer(WaitVerdict, out)
	c.s.answer(WaitDone, out)
	if c.cfg.LeaveBadBinary {
		c.mismatch("OnBadBinary=leave")
		return nil
	}
	if c.rec.Successor.SHA256 == c.rec.Old.SHA256 {
		c.mismatch("")
		return nil
	}
	if err := c.packageManagerDone(ctx); err != nil {
		if ctx.Err() != nil {
			c.restoreDone = false
			return err
		}
		c.mismatch(err.Error())
		return nil
	}
	if err := c.putBack(ctx); err != nil && ctx.Err() == nil {
		c.mismatch(err.Error())
	}
	return nil
}

// packageManagerDone waits until no package transaction runs.
func (c *cycle) packageManagerDone(ctx context.Context) error {
	limited, cancel := context.WithTimeoutCause(ctx, c.s.lockTimeout, errors.New("a package transaction does not end"))
	defer cancel()
	for {
		// First of all: what its scripts did before it ended is dealt with then.
		lock, err := TransactionRuns(c.s.locks)
		if err := c.dismissForeign(ctx); err != nil {
			return err
		}
		// The transaction may have brought the next build: then there is
		// nothing to put back, and a hook in it may wait for this one's end.
		if same, err := c.forSameBuild(); err == nil && !same {
			return nil
		}
		if lock == "" || err != nil {
			return err
		}
		switch {
		case c.s.hook:
			return errors.New("a package transaction runs, whose end its own hook cannot wait for")
		case c.deserted():
			return errors.New("a package transaction runs, and its end is not waited for while nobody serves")
		}
		if err := c.wait(limited, time.After(pauseLock)); err != nil {
			return err
		}
	}
}

// putBack exchanges the condemned file on disk for the kept one.
func (c *cycle) putBack(ctx context.Context) error {
	kept, err := c.s.vault().Find(c.rec.Old.SHA256)
	if err != nil {
		return err
	}
	if why := kept.unfit(c.old.root); why != "" {
		return errors.New(why)
	}
	err = c.old.exchange(c.s.vault().Binary(kept), kept.SHA256, c.rec.Successor.SHA256)
	if errors.Is(err, errReplaced) {
		// A newer file is there, which the next look deals with; or ours,
		// put there before we were killed.
		if disk, hashErr := hashBelow(c.old.root, c.old.binary); hashErr != nil || disk != kept.SHA256 {
			return nil
		}
		err = nil
	}
	if err != nil {
		return err
	}
	c.s.remember(func(a *Attachment) {
		a.Restored = &Restored{SHA256: kept.SHA256, Condemned: c.rec.Successor.Key(), Version: c.rec.Successor.Version, Reason: c.rec.Reason}
	})
	c.s.publish(func(v *view) { v.disk = v.running })
	c.s.audit().Cycle(EventRestored, c.rec, 0, "the kept binary %s is put back as %s in the place of the condemned %s",
		kept.Version, c.old.binary, c.rec.Successor.Version)
	return c.s.testConfig(ctx, c.old)
}

// mismatch tells that disk and memory differ from now on.
func (c *cycle) mismatch(why string) {
	if c.rec.Successor.SHA256 == c.rec.Old.SHA256 {
		c.s.audit().Cycle(EventMismatch, c.rec, 0, "%s stays on disk although %s fails with it, and the running master goes on with what it has mapped: "+
			"do not restart nginx before its package is repaired or downgraded", replacedText(c.rec.Replaced), c.rec.Old.Version)
		return
	}
	runs := c.rec.Old.Version + " runs"
	if c.noWayBack() {
		runs = "it is all that serves"
	}
	c.s.audit().Cycle(EventMismatch, c.rec, 0, "%s stays on disk as %s although it is condemned (%s), and %s: "+
		"install a good build (apt install --reinstall nginx, or dnf reinstall nginx-core), or run `nginx-hotswap rollback --to=%s %s`",
		c.rec.Successor.Version, c.old.binary, why, runs, hash8(c.rec.Old.SHA256), c.rec.Instance)
}

// unfit says why a kept build does not go with what else is on disk now, or
// returns "".
func (b KeptBuild) unfit(root *nginx.Root) string {
	for _, f := range b.Files {
		sha, err := hashBelow(root, f.Path)
		if err != nil {
			return fmt.Sprintf("%s, which %s was built for, cannot be read: %v", f.Path, b.Version, err)
		}
		if sha != f.SHA256 {
			return fmt.Sprintf("%s was replaced too, and %s was kept with another one", f.Path, b.Version)
		}
	}
	return ""
}

// hashBelow returns the SHA-256 of a file.
func hashBelow(root *nginx.Root, path string) (string, error) {
	return hashFirst(root, path, math.MaxInt64)
}

// hashFirst looks at no more than so many bytes of it.
func hashFirst(root *nginx.Root, path string, most int64) (string, error) {
	f, err := root.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return nginx.HashFile(io.LimitReader(f, most))
}
