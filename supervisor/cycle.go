package supervisor

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// cycle is one upgrade attempt while it runs. Its methods are the actions and
// conditions that the tables name; it belongs to the supervisor's goroutine.
type cycle struct {
	s   *Supervisor
	cfg UpgradeConfig
	rec *Record

	limits    limits
	old       *master
	candidate *candidate     // nil when a cycle is resumed after Starting
	successor *nginx.Process // nil until it was seen

	// wake is poked by everything that may have changed a condition: exits,
	// the pid file's directory.
	wake    chan struct{}
	stop    context.CancelFunc // ends the goroutines that poke
	ctx     context.Context    // they live as long as this one
	watched map[nginx.ID]*nginx.Process
	// workers are those of watched that are the successor's.
	workers map[nginx.ID]bool
	crashes []time.Time // of the successor's workers
	prober  *prober     // nil until the successor soaks
	logs    *nginx.ErrorLog
	lines   []logLine   // the last ones
	samples *sampler    // nil before Starting
	early   <-chan bool // systemd's answer whether the unit was reloaded before Soaking, until it is heard
	place   bool        // in the line of those that run two generations

	untold                  time.Time // when the phase began, until the unit is told
	usr2At, winchAt, quitAt time.Time
	soakFrom, keepUntil     time.Time
	drainUntil, dismissAt   time.Time
	dismissLimit            time.Duration
	verdict                 bool // it was good
	draining                bool // its clocks run
	drained, hurried        bool
	toldOfOld               bool      // that it does not go
	movedEarly              bool      // systemd followed before old was gone
	killed                  int       // steps of Dismissing's escalation
	followedAt              time.Time // when systemd was asked in Dismissing
	undo                    bool      // a person wants the old version back
	takenBack               bool      // somebody else has told the successor to go
	hupSent                 bool
	atEnd                   string // old's workers then
	noWay                   bool   // back to old, see noWayBack
	restoreDone             bool
	confirmUntil            time.Time
	asked                   map[nginx.ID]time.Time // workers that are gone, and until when it is asked how they ended
	orphaned                map[nginx.ID]bool
	quitAsked               time.Time // when the successor got QUIT last
	searched                bool      // for workers that nobody has seen
	emptySince              time.Time // since when the successor has no workers
	pulse                   *time.Timer
	newer                   string    // the key of a newer candidate that was looked at
	calm                    time.Time // when old was seen frozen last
	passedOn                time.Time // when the successor got somebody else's HUP to old
	frozenAgain             time.Time // when it got WINCH after somebody else's HUP
	vanished                time.Time // since when the pid file is missing
	reopened                time.Time // when old was told to open its logs anew
	newest                  uint64    // start time of the youngest worker of the generation that is known
	unchecked               bool      // the successor's listeners, since a reload
	stable                  time.Time // since when old goes on as if nothing had been
}

func (s *Supervisor) newCycle(ctx context.Context, m *master, rec *Record) *cycle {
	c := &cycle{s: s, cfg: s.instance.Upgrade, rec: rec, old: m, wake: make(chan struct{}, 1),
		watched: make(map[nginx.ID]*nginx.Process), workers: make(map[nginx.ID]bool), asked: make(map[nginx.ID]time.Time),
		orphaned: make(map[nginx.ID]bool), limits: s.limits}
	c.ctx, c.stop = context.WithCancel(ctx)
	c.watchExit(m.Process)
	c.watchDirectory()
	return c
}

// close releases what the cycle holds, except the old master.
func (c *cycle) close() {
	c.stop()
	c.samples.end()
	c.leaveLine()
	if c.pulse != nil {
		c.pulse.Stop()
	}
	c.candidate.Close()
	if c.prober != nil {
		c.prober.stop()
		c.prober.in.Close()
	}
	if c.logs != nil {
		c.logs.Close()
	}
	for _, p := range c.watched {
		p.Close()
	}
}

func (c *cycle) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// watchExit pokes when the process exits.
func (c *cycle) watchExit(p *nginx.Process) {
	exited := p.Exited()
	go func() {
		select {
		case <-exited:
			c.poke()
		case <-c.ctx.Done():
		}
	}()
}

// watchDirectory pokes when the directory of the pid file changes. Without
// inotify the conditions are looked at when processes exit, and by the step's
// own polling.
func (c *cycle) watchDirectory() {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		c.s.log.Debug("no inotify for the pid file", "error", err)
		return
	}
	if err := c.old.root.Directory(filepath.Dir(c.old.pidFile), w.Add); err != nil {
		c.s.log.Debug("no inotify for the pid file", "error", err)
		w.Close()
		return
	}
	go func() {
		defer w.Close()
		for {
			select {
			case <-w.Events:
				c.poke()
			case <-w.Errors:
				c.poke()
			case <-c.ctx.Done():
				return
			}
		}
	}()
}

// hold takes hold of a process of this cycle, once, and pokes at its exit.
func (c *cycle) hold(id nginx.ID) (*nginx.Process, error) {
	if p, ok := c.watched[id]; ok {
		return p, nil
	}
	p, err := nginx.OpenID(id)
	if err != nil {
		return nil, err
	}
	c.watched[id] = p
	c.watchExit(p)
	return p, nil
}

// enter begins a phase: the record is on disk before anything is done.
func (c *cycle) enter(phase Phase) error {
	c.rec.enter(phase, time.Now())
	c.show(func(*CycleStatus) {})
	c.sample(phase)
	c.untold = time.Now()
	if phase == Draining { // whoever asked for the verdict looks now
		c.untold = c.untold.Add(-tellPause)
	}
	time.AfterFunc(tellPause, c.poke)
	if err := c.s.store.SaveRunning(c.rec); err != nil {
		// Before USR2 that is a reason not to begin. Afterwards carrying on
		// is safer than stopping in the middle.
		if phase.isEarly() {
			return fmt.Errorf("cannot write the record: %w", err)
		}
		c.s.log.Error("cannot write the record, the cycle goes on", "error", err)
	}
	return nil
}

// tellPause is how long a phase must last to be worth telling: PID 1 takes
// milliseconds for each word, and our next question waits behind them.
const tellPause = 100 * time.Millisecond

// tellUnit shows a phase that lasts in `systemctl status` of the unit, once.
func (c *cycle) tellUnit() {
	if c.untold.IsZero() || time.Since(c.untold) < tellPause {
		return
	}
	c.untold = time.Time{}
	if c.old.unit == nil || c.old.mute || c.rec.Phase.isEarly() {
		return
	}
	c.s.notifyUnit(c.old.unit, c.old.PID, fmt.Sprintf("STATUS=nginx-hotswap: %s to %s, %s",
		c.rec.Old.Version, c.rec.Successor.Version, c.rec.Phase))
}

func (c *cycle) runner() runner { return runner{enter: c.enter, wait: c.wait, at: failpoint} }

// failpoint is where a test ends the process; it does nothing otherwise.
var failpoint = func(Phase, string) {}

// wait is where a cycle spends its time. Requests are answered meanwhile.
func (c *cycle) wait(ctx context.Context, poll <-chan time.Time) error {
	c.tellUnit()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.wake:
	case <-poll:
	case r := <-c.s.requests:
		c.s.meanwhile(c, r)
	case <-c.s.pokes:
		// Something changed around us: the conditions are looked at now,
		// and everything else when the cycle is done.
	}
	if c.undo && !c.rec.Phase.IsWayBack() {
		return errAsked
	}
	return nil
}

// since is for sentences: 21ms, 3.2s.
func since(t time.Time) time.Duration {
	d := time.Since(t)
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond)
	case d < time.Minute:
		return d.Round(100 * time.Millisecond)
	default:
		return d.Round(time.Second)
	}
}
