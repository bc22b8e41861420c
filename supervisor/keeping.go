package supervisor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// kept is the condition of Keeping.
func (c *cycle) kept(context.Context) (bool, error) {
	has, err := c.s.vault().Has(c.rec.Old.Version, c.rec.Old.SHA256)
	return has && c.place, err
}

// keep is the act of Keeping. It also takes the place in the line, which lasts
// until the verdict.
func (c *cycle) keep(ctx context.Context) error {
	if err := c.s.keepRunning(c.old); err != nil {
		return err
	}
	c.s.audit().Cycle(EventKept, c.rec, 0, "running build %s is kept in %s", c.old.build.Short(),
		c.s.vault().Path(c.rec.Old.Version, c.rec.Old.SHA256))
	return c.joinLine(ctx)
}

// joinLine waits for a place in the line. Requests are answered meanwhile.
func (c *cycle) joinLine(ctx context.Context) error {
	for told := false; ; told = true {
		joined, moved := c.s.line.join()
		if joined {
			c.place = true
			return nil
		}
		if !told {
			c.s.audit().Cycle(EventWaiting, c.rec, 0, "waiting until another instance has its verdict")
		}
		select {
		case <-moved:
		case r := <-c.s.requests:
			c.s.meanwhile(c, r)
			if c.undo {
				return errAsked
			}
			if c.s.attachment.Held && c.rec.Origin == OriginWatch {
				return &Refusal{ReasonUnitBusy, "held while it waited for another instance", "it is looked at again"}
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (c *cycle) leaveLine() {
	if c.place {
		c.s.line.leave()
		c.place = false
	}
}

// keepRunning puts the build that a master runs into the vault.
func (s *Supervisor) keepRunning(m *master) error {
	has, err := s.vault().Has(m.build.Number, m.build.SHA256)
	if err != nil {
		return err
	}
	b := KeptBuild{Version: m.build.Number, SHA256: m.build.SHA256, Path: m.binary, Kept: time.Now()}
	if err := s.keepFiles(m, &b); err != nil {
		return err
	}
	m.kept = make(map[string]string)
	for _, f := range b.Files {
		m.kept[f.Path] = f.SHA256
	}
	if has && slices.Equal(s.vault().files(b), b.Files) {
		return nil
	}
	if err := s.vault().Keep(b, nginx.ExePath(m.PID)); err != nil {
		return err
	}
	return s.vault().Prune(s.instance.Upgrade.KeepBuilds, m.build.SHA256)
}

// keepFiles adds the modules and libraries that a master has mapped.
func (s *Supervisor) keepFiles(m *master, b *KeptBuild) error {
	mapped, err := nginx.ReadMapped(m.PID)
	if err != nil {
		return fmt.Errorf("cannot see what master %d has mapped: %w", m.PID, err)
	}
	for _, f := range mapped {
		kept, err := s.keepFile(*b, f)
		if err != nil {
			return fmt.Errorf("cannot keep the mapped %s: %w", f.Path, err)
		}
		b.Files = append(b.Files, kept)
	}
	// Where the linker puts them differs from one process to the next.
	slices.SortFunc(b.Files, func(a, b KeptFile) int { return strings.Compare(a.Path, b.Path) })
	return nil
}

func (s *Supervisor) keepFile(b KeptBuild, f nginx.Mapped) (KeptFile, error) {
	file, err := f.Open()
	if err != nil {
		return KeptFile{}, err
	}
	defer file.Close()
	sha, err := s.builds.hash(file)
	kept := KeptFile{Path: f.Path, SHA256: sha, Module: f.Module()}
	if err != nil || !kept.Module {
		return kept, err
	}
	return kept, s.vault().KeepModule(b, kept, fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
}
