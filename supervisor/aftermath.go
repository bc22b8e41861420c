package supervisor

import (
	"context"
	"os"
	"slices"
	"strconv"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// recordedSuccessor takes hold of the successor of a record whose old master is
// gone. Whoever wrote it may have died right after USR2, before the successor was
// seen; that one has the old master's sockets by now.
func recordedSuccessor(rec *Record) (*nginx.Process, error) {
	if rec.Successor.PID != 0 {
		return nginx.OpenID(rec.Successor.ID())
	}
	for _, id := range heirs(rec.Old.Listeners) {
		if sha, err := nginx.HashExe(id.PID); err != nil || sha != rec.Successor.SHA256 {
			continue
		}
		rec.Successor.PID, rec.Successor.Start = id.PID, id.Start
		return nginx.OpenID(id)
	}
	return nil, nginx.ErrGone
}

// findHeir finds a successor that nobody has seen before the old master was gone.
// Between fork and execve it is none yet.
func (c *cycle) findHeir(ctx context.Context) {
	if c.successor != nil || c.rec.Successor.PID != 0 {
		return
	}
	limited, cancel := context.WithTimeout(ctx, aloneFor)
	defer cancel()
	_ = c.runner().await(limited, true, func(context.Context) (bool, error) { // there may be none
		p, err := recordedSuccessor(c.rec)
		if err != nil {
			return false, nil
		}
		defer p.Close()
		if c.successor, err = c.hold(p.ID); err != nil {
			return false, nil
		}
		id := p.ID
		c.s.publish(func(v *view) { v.successor = &id })
		c.save()
		return true, nil
	})
}

// heirs are the masters, and those that are about to become one, that hold one of
// the sockets and have no master above them.
func heirs(sockets []nginx.Listener) []nginx.ID {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []nginx.ID
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, err := nginx.Open(pid); err == nil {
			if inherits(p, sockets) {
				found = append(found, p.ID)
			}
			p.Close()
		}
	}
	return found
}

func inherits(p *nginx.Process, sockets []nginx.Listener) bool {
	title, err := nginx.ReadTitle(p.PID)
	if err != nil || !slices.Contains([]nginx.Role{nginx.RoleMaster, nginx.RoleStarting}, title.Role) {
		return false
	}
	stat, err := nginx.ReadStat(p.PID)
	if err != nil {
		return false
	}
	if parent, err := nginx.ReadTitle(stat.PPID); err == nil && parent.Role == nginx.RoleMaster {
		return false // a worker that starts
	}
	holds, err := p.HoldsAny(sockets)
	return err == nil && holds
}

// sweep removes what a cycle without an end has left behind, once there is one
// master again: the second names of sockets and, of an old master that was killed
// while nobody looked, its pid file and its workers, which would accept for ever.
func (s *Supervisor) sweep(ctx context.Context, m *master) {
	tree, err := nginx.ReadTree(m.ID)
	if err != nil || len(tree.Successors()) > 0 {
		return
	}
	held, err := m.Listeners()
	if err != nil {
		return
	}
	unlinkKept(m.root, &Record{Old: Generation{Listeners: held}}, s.log)
	last := s.store.Last(s.instance.Name)
	if last == nil || last.Boot != bootID() || lives(last.Old.ID()) {
		return
	}
	if err := removeStaleOldBin(m.root, m.likelyPIDFile(m.givenPIDFile), last.Old.PID, s.log); err != nil {
		s.log.Warn("cannot remove the pid file of the old master", "error", err)
	}
	if last.Result == Overtaken { // to look for them takes a look at every process
		s.endLeftWorkers(ctx, m, last)
	}
}

// endLeftWorkers asks workers of the cycle's masters that have none any more to
// finish as soon as another serves on the same sockets: until then they are all
// that does.
func (s *Supervisor) endLeftWorkers(ctx context.Context, m *master, last *Record) {
	found, err := nginx.Orphans(last.Old.Listeners)
	if err != nil {
		return
	}
	left := slices.DeleteFunc(found, func(id nginx.ID) bool {
		sha, err := nginx.HashExe(id.PID)
		return err != nil || sha != last.Old.SHA256 && sha != last.Successor.SHA256
	})
	if len(left) == 0 {
		return
	}
	if holds, err := m.HoldsAny(last.Old.Listeners); err != nil || !holds || m.settled(ctx) != nil {
		return
	}
	endOrphans(left)
}
