package supervisor

import (
	"context"
	"errors"
	"fmt"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// serveRollback goes back to an earlier build when no cycle runs: the kept
// binary is put in place, and a full cycle swaps to it.
func (s *Supervisor) serveRollback(ctx context.Context, r request) {
	kept, err := s.chooseKept(r.To)
	if err != nil {
		r.reply <- outcomeOf(err)
		return
	}
	disk, err := s.diskSHA256()
	if err != nil {
		r.reply <- outcomeOf(err)
		return
	}
	if kept.SHA256 == s.current.build.SHA256 && disk == kept.SHA256 {
		r.reply <- Outcome{Code: ExitOK, Text: fmt.Sprintf("%s runs already", s.current.build.Short())}
		return
	}
	if err := s.tryKept(ctx, kept, disk); err != nil {
		r.reply <- outcomeOf(err)
		return
	}
	s.remember(func(a *Attachment) { a.Restored, a.Refused, a.Baseline = nil, nil, "" })
	s.publish(func(v *view) { v.note = "" })
	c, err := s.compare(s.current)
	if err != nil {
		r.reply <- outcomeOf(err)
		return
	}
	if c == nil {
		s.upToDate()
		r.reply <- Outcome{Code: ExitOK, Text: fmt.Sprintf("%s is on disk again and runs", s.current.build.Short())}
		return
	}
	s.waiting = append(s.waiting, r)
	_, _ = s.cycle(ctx, c, r.Origin) // it answers, also when it is interrupted
}

// chooseKept returns the build that a rollback goes to.
func (s *Supervisor) chooseKept(name string) (KeptBuild, error) {
	if name == "" {
		name = s.earlier()
	}
	if name == "" {
		return KeptBuild{}, errors.New("there is no earlier build: nothing was upgraded yet; name one with --to=")
	}
	return s.vault().Find(name)
}

// earlier is the SHA-256 of the build before the last upgrade from a good one: the
// way to a kept build may have begun at a condemned one.
func (s *Supervisor) earlier() string {
	records, err := s.store.History(s.log)
	if err != nil {
		return ""
	}
	sha := ""
	for _, rec := range records {
		if rec.Instance == s.instance.Name && rec.Result.isUpgrade() && rec.Old.SHA256 != s.current.build.SHA256 &&
			s.attachment.condemnation(rec.Old.Key()) == nil {
			sha = rec.Old.SHA256
		}
	}
	return sha
}

func (s *Supervisor) diskSHA256() (string, error) {
	f, err := s.current.root.Open(s.current.binary)
	if err != nil {
		return "", s.current.unreadable(err)
	}
	defer f.Close()
	return nginx.HashFile(f)
}

// tryKept tests the configuration with a kept binary, where it is kept, and
// only then puts it in place.
func (s *Supervisor) tryKept(ctx context.Context, kept KeptBuild, disk string) error {
	if why := kept.unfit(s.current.root); why != "" {
		return &Refusal{ReasonConfigTest, fmt.Sprintf("cannot go back to %s: %s", kept.Version, why), "install its package, modules and all"}
	}
	if err := s.testConfigWith(ctx, s.current, s.vault().Binary(kept)); err != nil {
		return err
	}
	return s.current.exchange(s.vault().Binary(kept), kept.SHA256, disk)
}
