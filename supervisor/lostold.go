package supervisor

import (
	"context"
	"fmt"
)

// lostOld deals with an old master that is gone before it was told to go.
func (c *cycle) lostOld(ctx context.Context) (Result, error) {
	c.clearOldBin()
	if result, why := c.unitEnds(ctx); result != "" {
		return c.finish(result, why), nil
	}
	c.findHeir(ctx)
	if c.successor == nil || !c.successor.Alive() {
		return c.lost(fmt.Sprintf("old master %d %v and no successor is there%s", c.old.PID, c.old.Exit(), c.withoutMaster())), nil
	}
	if c.rec.Phase.IsWayBack() {
		return c.goForward(ctx) // for the reason that is on record
	}
	return c.goBack(ctx, Reviving, fmt.Errorf("old master %d %v", c.old.PID, c.old.Exit()))
}

// unitEnds says how a cycle ends with its unit: if nobody has asked for that,
// PID 1 ends it because the old master is gone.
func (c *cycle) unitEnds(ctx context.Context) (Result, string) {
	err := c.overtaken(ctx)
	switch {
	case err == nil:
		return "", ""
	case c.old.Alive() || c.jobByOthers(ctx) || c.toldToGo(ctx):
		return Overtaken, err.Error()
	}
	return Lost, fmt.Sprintf("old master %d %v; %v", c.old.PID, c.old.Exit(), err)
}

// toldToGo reports whether old has ended in good order: it got QUIT or TERM, and
// not from us. Where the kernel does not tell how it ended, its unit has to.
func (c *cycle) toldToGo(ctx context.Context) bool {
	exit := c.old.Exit()
	if exit.Known || c.old.unit == nil {
		return exit.Known && exit.Signal == 0 && exit.Code == 0
	}
	state, err := c.old.unit.State(ctx)
	return err == nil && state.InOrder()
}

// jobByOthers reports whether an administrator stops or restarts the unit.
func (c *cycle) jobByOthers(ctx context.Context) bool {
	if c.old.unit == nil {
		return false
	}
	state, err := c.old.unit.State(ctx)
	return err == nil && (state.JobType == "stop" || state.JobType == "restart")
}
