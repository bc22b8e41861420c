package supervisor

import (
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// logLine is a line of an error log with the time at which we read it.
type logLine struct {
	nginx.LogLine
	read time.Time
}

// maxLogLines bounds what is remembered of the error logs.
const maxLogLines = 200

// openLogs follows the error logs of a master from now on. They explain what
// happens; apart from the master's own lines about the end of its workers,
// where the kernel does not tell, they decide nothing.
func (c *cycle) openLogs(p *nginx.Process) {
	c.readLogs()
	logs, err := nginx.OpenErrorLog(p)
	if err != nil {
		c.s.log.Debug("the error logs cannot be followed", "error", err)
		return
	}
	if c.logs != nil {
		c.logs.Close()
	}
	c.logs = logs
}

// readLogs takes in what was written since.
func (c *cycle) readLogs() {
	if c.logs == nil {
		return
	}
	// After USR1 and HUP the master writes to other files.
	if err := c.logs.Reopen(); err != nil {
		c.s.log.Debug("cannot look for new error logs", "error", err)
	}
	now := time.Now()
	const reads = 16 // a crash loop writes faster than one would care to read
	for i, more := 0, true; more && i < reads; i++ {
		var lines []nginx.LogLine
		var err error
		if lines, more, err = c.logs.Read(); err != nil {
			c.s.log.Debug("cannot read an error log", "error", err)
			break
		}
		for _, line := range lines {
			c.lines = append(c.lines, logLine{line, now})
		}
	}
	c.lines = c.lines[max(0, len(c.lines)-maxLogLines):]
}

// loggedExit is what a master wrote about the end of a child, or for 0 of a successor
// that was not seen.
func (c *cycle) loggedExit(master, child int) nginx.Exit {
	c.readLogs()
	for _, line := range c.lines {
		told, ok := line.Child()
		if ok && line.PID == master && (told.PID == child || child == 0 && told.Process == "new binary process") {
			return told.Exit
		}
	}
	return nginx.Exit{}
}

// writeLimit is how long a master that has reaped a child may take to write that to
// its log.
const writeLimit = 20 * time.Millisecond

// successorExit is how the successor ended, by the kernel or else by old's log.
func (c *cycle) successorExit() nginx.Exit {
	exit := c.successor.ExitWithin(reapLimit)
	for end := time.Now().Add(writeLimit); !exit.Known; time.Sleep(time.Millisecond) {
		exit = c.loggedExit(c.rec.Old.PID, c.successor.PID)
		if time.Now().After(end) {
			break
		}
	}
	return exit
}

// explained adds to a text what nginx wrote about it.
func (c *cycle) explained(text string) string {
	c.readLogs()
	for _, line := range c.lines {
		if line.Explains() {
			return text + ": [" + line.Level + "] " + line.Text
		}
	}
	return text
}

// exhausted reports whether nginx said just now that it ran out of connections:
// then it closes new ones unanswered, whatever its version.
func (c *cycle) exhausted() bool {
	c.readLogs()
	const justNow = 3 * time.Second
	for _, line := range c.lines {
		if time.Since(line.read) < justNow && line.OutOfConnections() {
			return true
		}
	}
	return false
}
