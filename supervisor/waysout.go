package supervisor

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// remains are the processes of a cycle that got stuck, as they are now. They
// are looked at anew for every text: a person may be half way out.
type remains struct {
	rec            *Record
	old, successor bool // is alive
	serving        int  // workers of old that accept, whatever they are
	known          bool // some are from before the upgrade: WINCH has not reached them
	revived        bool // HUP was sent: a second one would double the workers
	stopped        []int
	ofSuccessor    []int // its workers
	pidFile        string
	lostPIDFile    bool // it does not name old, which is alone
}

// remainsOf finds out what is left of a cycle.
func remainsOf(rec *Record) remains {
	r := remains{rec: rec, old: lives(rec.Old.ID()), successor: lives(rec.Successor.ID())}
	if r.old {
		r.lookAtOld()
	}
	if r.successor {
		r.stop(rec.Successor.PID)
		if tree, err := nginx.ReadTree(rec.Successor.ID()); err == nil {
			for _, child := range tree.Children {
				r.ofSuccessor = append(r.ofSuccessor, child.PID)
				r.stop(child.PID)
			}
		}
	}
	return r
}

func (r *remains) lookAtOld() {
	r.stop(r.rec.Old.PID)
	tree, err := nginx.ReadTree(r.rec.Old.ID())
	if err != nil {
		return
	}
	for _, child := range forked(tree) {
		r.stop(child.PID)
	}
	fresh, known := (&cycle{rec: r.rec}).oldWorkers(tree)
	r.serving, r.known = fresh+known, known > 0
	signals, err := nginx.ReadSignals(r.rec.Old.PID)
	r.revived = fresh > 0 || err == nil && nginx.Has(signals.Pending, unix.SIGHUP)
}

func lives(id nginx.ID) bool {
	p, err := nginx.OpenID(id)
	if err == nil {
		p.Close()
	}
	return !errors.Is(err, nginx.ErrGone)
}

// stop notes a process that takes no signals until it is continued.
func (r *remains) stop(pid int) {
	if stat, err := nginx.ReadStat(pid); err == nil && stat.State == 'T' {
		r.stopped = append(r.stopped, pid)
	}
}

// text says what serves and which ways are open: each in words, and below it a
// line for the shell.
func (r remains) text() string {
	old, successor := r.rec.Old, r.rec.Successor
	switch {
	case !r.old && !r.successor:
		return "neither master is left, start nginx"
	case !r.successor:
		return fmt.Sprintf("%s is left alone as master %d", old.Version, old.PID) + r.alone()
	case !r.old:
		return fmt.Sprintf("%s serves alone as master %d", successor.Version, successor.PID) + r.follow()
	case r.rec.Phase == Dismissing:
		return fmt.Sprintf("%s serves; %s was told to go and cannot be kept", old.Version, successor.Version) +
			way(fmt.Sprintf("to go back to %s (what is left of successor %d ends)", old.Version, successor.PID), r.end()...)
	}
	return "both masters are left as they are" +
		way(fmt.Sprintf("to keep %s (old master %d finishes its requests and goes)", successor.Version, old.PID), r.keep()...) +
		way(fmt.Sprintf("to go back to %s (successor %d finishes its requests and goes)", old.Version, successor.PID), r.back()...)
}

// way is a description with its commands on a line of their own.
func way(what string, commands ...string) string {
	commands = slices.DeleteFunc(commands, func(c string) bool { return c == "" })
	return "\n" + what + ", run\n    " + strings.Join(commands, " && ")
}

func kill(signal string, pids ...int) string {
	words := []string{"kill", "-" + signal}
	for _, pid := range pids {
		words = append(words, strconv.Itoa(pid))
	}
	return strings.Join(words, " ")
}

// A master must have taken one signal before it gets the next one: it handles
// those that come together in an order of its own, and WINCH with HUP leaves it
// without workers.
const pause = " && sleep 1"

// awake lets those go on that somebody stopped.
func (r remains) awake() string {
	if len(r.stopped) == 0 {
		return ""
	}
	return kill("CONT", r.stopped...) + pause
}

// keep lets old go. One that has its workers again must be told with WINCH
// first: at QUIT alone it exits at once and they accept for ever.
func (r remains) keep() []string {
	old, winch, follow := r.rec.Old.PID, "", ""
	if r.revived {
		winch = kill("WINCH", old) + pause
	}
	if r.rec.Phase == Returning { // systemd has moved early, see settleUnit
		follow = fmt.Sprintf("tail --pid=%d -f /dev/null && systemctl daemon-reload", old)
	}
	return []string{r.awake(), winch, kill("QUIT", old), follow}
}

// back gives old its workers again and lets the successor go.
func (r remains) back() []string {
	old, winch, hup, follow := r.rec.Old.PID, "", "", ""
	if r.known && !r.revived {
		winch = kill("WINCH", old) + pause // else HUP would double the workers
	}
	if !r.revived {
		hup = kill("HUP", old) + pause
	}
	if r.rec.Phase == Returning {
		follow = fmt.Sprintf("tail --pid=%d -f /dev/null && systemctl reload %s", r.rec.Successor.PID, r.rec.Unit)
	}
	return []string{r.awake(), winch, hup, kill("QUIT", r.rec.Successor.PID), follow}
}

// end ends a successor that was asked to go and did not. One that is merely
// stopped does it by itself.
func (r remains) end() []string {
	if awake := kill("CONT", r.stopped...); slices.Contains(r.stopped, r.rec.Successor.PID) {
		return []string{awake}
	}
	return []string{r.awake(), kill("KILL", append([]int{r.rec.Successor.PID}, r.ofSuccessor...)...)}
}

// alone is what an old master without a successor may need.
func (r remains) alone() string {
	switch {
	case len(r.stopped) > 0:
		return way("to let it go on", kill("CONT", r.stopped...))
	case r.serving == 0:
		return way("no worker of it accepts; to start some from the configuration on disk", kill("HUP", r.rec.Old.PID))
	case r.lostPIDFile:
		return " and serves" + way("to give it its pid file again", fmt.Sprintf("echo %d > %s", r.rec.Old.PID, r.pidFile))
	}
	return " and serves"
}

// follow is what systemd may need to know the successor.
func (r remains) follow() string {
	switch {
	case r.rec.Unit == "":
		return ""
	case r.pidFile == "":
		return way("systemd takes its main process from nowhere else than from a start; at a quiet moment", "systemctl restart "+r.rec.Unit)
	}
	return way("to let systemd read the pid file again", "systemctl reload "+r.rec.Unit)
}
