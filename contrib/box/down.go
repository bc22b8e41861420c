package box

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

const (
	// poweroff is SIGRTMIN+4, which systemd(1) takes for "start poweroff.target".
	// glibc, whose SIGRTMIN systemd means, keeps the kernel's 32 and 33 for itself.
	poweroff = syscall.Signal(34 + 4)
	// downLimit is how long the units of a machine have to stop.
	downLimit = 10 * time.Second
	// killLimit is for the kernel to tear a killed machine down.
	killLimit = 10 * time.Second
	downPoll  = 5 * time.Millisecond
)

// Down shuts the machine down as its poweroff command would, kills what has not
// ended after 10 s, and removes all traces. It may be called again, and for a
// machine that has ended by itself.
func (b *Box) Down() error { return b.down() }

func (b *Box) stop(limit time.Duration) error {
	if b.leader != nil {
		// It fails only for a leader that has ended.
		if err := b.leader.Signal(poweroff); err == nil {
			b.ended(limit)
		}
	}
	return errors.Join(b.end(), removeConsole(b.name))
}

// end kills what is left of the machine and removes its control groups.
func (b *Box) end() error {
	if err := b.group.kill(); err != nil {
		return fmt.Errorf("cannot kill box %s: %w", b.name, err)
	}
	if !b.ended(killLimit) {
		return fmt.Errorf("box %s is killed but has not ended after %v: look for processes in state D in %s",
			b.name, killLimit, b.group)
	}
	if b.keeper != nil {
		<-b.keeper.done
	}
	return b.group.remove()
}

// ended waits until no process of the machine is left.
func (b *Box) ended(limit time.Duration) bool {
	tick := time.NewTicker(downPoll)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); b.group.populated(); {
		if now := <-tick.C; now.After(deadline) {
			return false
		}
	}
	return true
}
