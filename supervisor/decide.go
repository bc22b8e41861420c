package supervisor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// loadAttachment recalls what is known of the instance. At the very first
// attach a difference between disk and memory becomes the baseline: whoever
// left it there did not ask us to act on it.
func (s *Supervisor) loadAttachment(m *master) error {
	a, err := s.store.Attachment(s.instance.Name)
	if err != nil {
		return err
	}
	if a != nil {
		s.attachment = a
		return nil
	}
	s.attachment = &Attachment{}
	c, err := s.compare(m)
	if err == nil && c != nil {
		defer c.Close()
		s.attachment.Baseline = c.build.Key()
	}
	// Who runs a command need not be told of that command.
	if s.attachment.Baseline != "" && s.oneShot == "" {
		s.audit().Event(EventPending, m.PID, nil, "%s differs from the running %s since before we came; it is left alone until "+
			"`nginx-hotswap upgrade %s` or until it is replaced", c.what(), m.build.Short(), s.instance.Name)
	}
	return s.store.SaveAttachment(s.instance.Name, *s.attachment)
}

// remember changes what is known of the instance.
func (s *Supervisor) remember(change func(*Attachment)) {
	if s.attachment == nil {
		s.attachment = &Attachment{}
	}
	change(s.attachment)
	if err := s.store.SaveAttachment(s.instance.Name, *s.attachment); err != nil {
		s.log.Error("cannot write the state of the instance", "instance", s.instance.Name, "error", err)
	}
}

// upToDate is the end of a look that found nothing to do.
func (s *Supervisor) upToDate() {
	s.publish(func(v *view) { v.disk, v.pending, v.note = v.running, "", "" })
	s.lockedSince = time.Time{}
	a := s.attachment
	note := s.standIn()
	standsIn := note != ""
	// What got stuck is a person's matter, whichever master is looked at now.
	refused := a.Refused != nil && a.Refused.Reason != string(Stuck)
	if a.Baseline != "" || refused || a.Restored != nil && !standsIn {
		s.remember(func(a *Attachment) { a.settle(standsIn) })
	}
	s.publish(func(v *view) { v.note = note })
}

// standIn says that what runs was put back in the place of a condemned build, or
// is empty.
func (s *Supervisor) standIn() string {
	r := s.attachment.Restored
	if r == nil || r.SHA256 != s.current.build.SHA256 {
		return ""
	}
	return fmt.Sprintf("%s stands in for %s, which is condemned: %s (package tools will find the file changed; install a fixed build)",
		s.current.build.Number, r.Version, r.Reason)
}

// undecided is the end of a look at something that cannot be compared.
func (s *Supervisor) undecided(err error) {
	if s.snapshot().pending == err.Error() {
		return
	}
	s.publish(func(v *view) { v.disk, v.pending = Build{}, err.Error() })
	s.audit().Event(EventRejected, s.current.PID, nil, "%v; %s goes on", err, s.current.build.Number)
}

// mayTry decides whether a candidate is tried without being asked.
func (s *Supervisor) mayTry(c *candidate) bool {
	s.endStandIn(c)
	s.warnOverwritten(c)
	why := s.objection(c)
	s.publish(func(v *view) { v.disk, v.pending = c.build, why })
	return why == ""
}

// endStandIn is for when somebody has put something else on disk: if the kept
// build comes there again, it was not us. Where there was no way back to the old
// master it is on disk before it runs.
func (s *Supervisor) endStandIn(c *candidate) {
	if r := s.attachment.Restored; r != nil && r.SHA256 != c.build.SHA256 {
		s.remember(func(a *Attachment) { a.Restored = nil })
	}
}

// objection says why a candidate is not tried now, or returns "".
func (s *Supervisor) objection(c *candidate) string {
	switch {
	case s.attachment.Held:
		return "held"
	case s.attachment.condemnation(c.build.Key()) != nil:
		return quarantineText(s.attachment.condemnation(c.build.Key()))
	case c.build.Key() == s.attachment.Baseline:
		return "it was there before we came"
	case !s.automatic:
		return "Automatic=no"
	case c.same && !s.watchLibraries:
		return fmt.Sprintf("%s replaced, and WatchLibraries=no", replacedText(c.replaced))
	}
	if refusal := s.afterPredecessor(); refusal != nil {
		s.retryIn(pauseUnit) // its end is no event
		return refusal.Error()
	}
	if s.stillRefused(c) {
		return s.attachment.Refused.Text
	}
	if rest := s.settle - c.age(); rest > 0 {
		s.retryIn(rest)
		return "it was written just now; it is tried when SettleSec= is over"
	}
	return s.packageTransaction()
}

// afterPredecessor says that a build waits for the end of the upgrade before, which
// somebody else has begun or which was lost to us.
func (s *Supervisor) afterPredecessor() *Refusal {
	stat, err := nginx.ReadStat(s.current.PID)
	if err != nil {
		return nil
	}
	refusal := s.current.predecessor(stat)
	if refusal != nil && s.snapshot().pending != refusal.Error() {
		s.audit().Event(EventWaiting, s.current.PID, nil, "a new binary is there, but %v", refusal)
	}
	return refusal
}

// inputs identifies everything cheap to see that a refusal may have depended
// on: the candidate, the main configuration file, the last reload, and the
// predecessor.
func (s *Supervisor) inputs(c *candidate) string {
	return s.files(c.build.Key()) + s.current.workers()
}

func (s *Supervisor) files(key string) string {
	info, err := s.current.root.Stat(s.current.files.Config)
	if err != nil {
		return key
	}
	return fmt.Sprint(key, " ", info.Size(), info.ModTime().UnixNano())
}

// workers tells one load of the configuration from the next, and a master whose
// predecessor is there from one that has none any more.
func (m *master) workers() string {
	var text strings.Builder
	if tree, err := nginx.ReadTree(m.ID); err == nil {
		for _, w := range tree.With(nginx.RoleWorker) {
			text.WriteString(fmt.Sprint(" ", w.Start))
		}
	}
	if stat, err := nginx.ReadStat(m.PID); err == nil && m.predecessor(stat) != nil {
		text.WriteString(fmt.Sprint(" after ", stat.PPID))
	}
	return text.String()
}

// packageTransaction waits for the end of a transaction of dpkg or rpm: until
// then the binary may be new and its libraries and modules old.
func (s *Supervisor) packageTransaction() string {
	lock, err := TransactionRuns(s.locks)
	if err != nil {
		s.log.Warn("cannot tell whether a package transaction runs", "error", err)
		return ""
	}
	if lock == "" {
		if s.lockedSince.IsZero() {
			return ""
		}
		// apt calls dpkg several times: only a lock that stays free is.
		s.lockedSince = time.Time{}
		s.retryIn(pauseUnit)
		return "a package transaction has just ended"
	}
	text := "a package transaction runs (" + lock + " is locked)"
	if s.lockedSince.IsZero() {
		s.lockedSince = time.Now()
		s.audit().Event(EventWaiting, s.current.PID, nil, "a new binary is there, but %s; waiting for its end", text)
	}
	if time.Since(s.lockedSince) >= s.lockTimeout {
		return text + " for longer than PackageLockTimeoutSec="
	}
	s.retryIn(pauseLock)
	return text
}

// cycle tries a candidate. The error says that it was interrupted.
func (s *Supervisor) cycle(ctx context.Context, candidate *candidate, origin Origin) (Result, error) {
	now := time.Now()
	m := s.current
	rec := &Record{
		Version: recordVersion, ID: newID(now), Boot: bootID(), Instance: s.instance.Name, Unit: s.unitName,
		Origin: origin, Started: now,
		Old:       Generation{PID: m.PID, Start: m.Start, Version: m.build.Number, SHA256: m.build.SHA256, Libraries: m.build.Libraries},
		Successor: Generation{SHA256: candidate.build.SHA256, Libraries: candidate.build.Libraries},
		Replaced:  candidate.replaced,
	}
	c := s.newCycle(ctx, m, rec)
	defer c.close()
	c.candidate = candidate
	rec.Drift = s.drift(m)
	files, workers := s.files(candidate.build.Key()), m.workers()
	result, err := c.run(ctx, Verifying)
	if result == RolledBack || result == Stuck {
		workers = c.atEnd
	}
	s.concluded(c, result, files+workers)
	return result, err
}
