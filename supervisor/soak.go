package supervisor

import (
	"context"
	"fmt"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// soak is the act of Soaking: the clock starts, everything else is watching.
func (c *cycle) soak(context.Context) error {
	c.soakFrom = time.Now()
	time.AfterFunc(c.cfg.SoakSec, c.poke)
	c.show(func(s *CycleStatus) { s.SoakUntil = moment(c.soakFrom.Add(c.cfg.SoakSec)) })
	c.openLogs(c.successor)
	c.startProbes()
	c.askForReload()
	return nil
}

// soaked is the condition of Soaking: SoakSec without a bad sign.
func (c *cycle) soaked(ctx context.Context) (bool, error) {
	if c.soakFrom.IsZero() {
		return false, nil // not begun; a cycle that is resumed soaks anew
	}
	if err := c.badSign(); err != nil {
		return false, err
	}
	if err := c.successorListens(); err != nil {
		return false, err
	}
	if err := c.byOthers(ctx); err != nil {
		return false, err
	}
	if err := c.probed(); err != nil {
		return false, err
	}
	heard, err := c.heardOfReload()
	if err != nil {
		return false, err
	}
	if time.Since(c.soakFrom) < c.cfg.SoakSec || !c.probesSatisfied() || !heard {
		return false, nil
	}
	c.verdict = true
	c.leaveLine()
	c.old.endOwnReload()
	if c.prober != nil {
		c.prober.stop() // the answers are of no use any more
	}
	c.s.audit().Cycle(EventVerdict, c.rec, time.Since(c.soakFrom), "verdict good after %v, %s, %d crashes; old master %d is kept %s",
		since(c.soakFrom), c.probesText(), len(c.crashes), c.old.PID, c.keptHow())
	c.s.answer(WaitVerdict, Outcome{Code: ExitOK, Text: fmt.Sprintf("upgraded %s to %s: it serves, the old master %d finishes its connections%s",
		c.rec.Old.Version, c.rec.Successor.Version, c.old.PID, c.untilConfirmed()), Cycle: c.rec.ID, Result: Upgraded})
	return true, nil
}

// keepOld is how long the old master stays frozen after the verdict. A command
// without a daemon behind it does not stay for that alone.
func (c *cycle) keepOld() time.Duration {
	switch {
	case c.s.oneShot == WaitVerdict:
		return 0
	case c.rec.Origin == OriginRPM:
		// Scripts of rpm packages send USR2, wait for a few seconds and send
		// QUIT to old. The first is refused as long as old is there.
		return max(c.cfg.KeepOldSec, c.cfg.RetainSec)
	}
	return c.cfg.KeepOldSec
}

func (c *cycle) probesText() string {
	if c.prober == nil || len(c.prober.asked) == 0 {
		return "no probes"
	}
	return plural(c.prober.total, "round") + " of probes"
}

func (c *cycle) keptHow() string {
	if c.cfg.ConfirmManual && !c.rec.Confirmed {
		return fmt.Sprintf("until `nginx-hotswap confirm %s`, or for %s and then comes back", c.rec.Instance, FormatTimeSpan(c.cfg.ConfirmTimeoutSec))
	}
	return "for " + FormatTimeSpan(c.keepOld())
}

// badSign looks for what condemns a successor while it serves.
func (c *cycle) badSign() error {
	if err := c.successorLives(); err != nil {
		return err
	}
	tree, err := nginx.ReadTree(c.successor.ID)
	if err != nil {
		return c.unlessEnded(fmt.Errorf("successor %d is gone: %w", c.successor.PID, err))
	}
	if c.newest == 0 { // resumed: what is there is one generation
		c.newest = newestWorker(tree)
	}
	return c.lookAtWorkers(tree)
}
