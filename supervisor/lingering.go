package supervisor

import (
	"cmp"
	"fmt"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// lingerLimit is how long an old master may stay after QUIT and the end of its last
// worker: it goes within milliseconds, unless somebody has stopped it or it hangs in
// the kernel.
const lingerLimit = 10 * time.Second

func (l limits) ofLingering() time.Duration { return cmp.Or(l.linger, lingerLimit) }

// lingers tells once of an old master that does not go: nothing but its end is
// waited for, and only a person can bring it about.
func (c *cycle) lingers() {
	if c.toldOfOld || c.quitAt.IsZero() || time.Since(c.quitAt) < c.limits.ofLingering() {
		return
	}
	tree, err := nginx.ReadTree(c.old.ID)
	if err != nil || len(forked(tree)) > 0 {
		return // it waits for its workers
	}
	c.toldOfOld = true
	text := fmt.Sprintf("QUIT was sent to old master %d %v ago and it is still there, while successor %d serves: %s",
		c.old.PID, since(c.quitAt), c.successor.PID, awakening(c.old.PID))
	c.s.publish(func(v *view) { v.note = text })
	c.s.log.Warn(c.rec.Instance + ": " + text)
}

// awakening is what makes a process take its signals.
func awakening(pid int) string {
	if stat, err := nginx.ReadStat(pid); err == nil && stat.State == 'T' {
		return fmt.Sprintf("it is stopped, to let it go run `%s`", kill("CONT", pid))
	}
	return fmt.Sprintf("to end it run `%s`", kill("KILL", pid))
}
