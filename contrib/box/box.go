package box

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// Options say what machine to boot. The zero value is a copy of the host.
type Options struct {
	// Base is the directory that the machine's file system is an overlay over.
	// It is never written to, and what is mounted below it is not part of it. "/"
	// by default; see [Root] for others.
	Base string
	// Name is the machine's name, for [Attach] and systemd-nspawn: up to 50 letters,
	// digits and inner hyphens. Made up by default.
	Name string
	// Log gets what the machine prints on its console. Not for a detached machine,
	// whose console is the file /run/nginx-hotswap-box-NAME.console.
	Log io.Writer
	// Detach makes the machine outlive this process, until [Box.Down].
	Detach bool
}

// Box is a machine that is up.
type Box struct {
	name     string
	group    group
	leader   *os.Process
	keeper   *keeper // nil for a machine that another process has started
	detached bool
	down     func() error
}

var validName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,48}[A-Za-z0-9])?$`)

// Up boots a machine and returns when systemd has finished, with all units up
// ("running") or some failed ("degraded"). Until then ctx can end it; afterwards
// only [Box.Down] or, unless it is detached, the death of this process does. The
// error of a machine that does not come up quotes its console.
func Up(ctx context.Context, o Options) (*Box, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	if err := Check(); err != nil {
		return nil, err
	}
	b := newBox(o.Name)
	b.detached = o.Detach
	var err error
	b.group, err = claim(o.Name, func(g group) (err error) {
		b.keeper, err = startKeeper(o, g)
		return err
	})
	if errors.Is(err, errUp) {
		return nil, fmt.Errorf("box %s is %w: run `box down %[1]s` first", o.Name, err)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot start box %s: %w", o.Name, err), removeConsole(o.Name))
	}
	if err := b.boot(ctx); err != nil {
		return nil, b.abandon(err)
	}
	return b, nil
}

// Attach returns the machine of that name, which a [Up] with Detach started.
func Attach(name string) (*Box, error) {
	if err := (&Options{Name: name}).complete(); err != nil {
		return nil, err
	}
	mount, err := unifiedMount()
	if err != nil {
		return nil, err
	}
	b := newBox(name)
	b.detached = true
	b.group = group(filepath.Join(mount, groupsName, name))
	if !b.group.populated() {
		return nil, fmt.Errorf("box %s is not up: run `box up %[1]s` first", name)
	}
	// Without a leader it has only just been started, or ends: Down is all one can do.
	b.leader, err = findLeader(b.group)
	if err != nil && !errors.Is(err, errNoLeader) {
		return nil, err
	}
	return b, nil
}

func newBox(name string) *Box {
	b := &Box{name: name}
	b.down = sync.OnceValue(func() error { return b.stop(downLimit) })
	return b
}

// complete fills in the defaults.
func (o *Options) complete() error {
	if o.Base == "" {
		o.Base = "/"
	}
	if o.Name == "" {
		o.Name = "box-" + strings.ToLower(rand.Text()[:12])
	}
	if !validName.MatchString(o.Name) {
		return fmt.Errorf("%q cannot be the name of a box: use up to 50 letters, digits and inner hyphens", o.Name)
	}
	return nil
}

// Name returns the machine's name.
func (b *Box) Name() string { return b.name }

// Leader returns the machine's PID 1 as the host sees it, or 0 when it has none.
func (b *Box) Leader() int {
	if b.leader == nil {
		return 0
	}
	return b.leader.Pid
}

// abandon ends a machine that failed to boot and returns the reason with the end
// of its console.
func (b *Box) abandon(reason error) error {
	err := b.end()
	if console := b.consoleText(); console != "" {
		reason = fmt.Errorf("%w; its console ends with:\n%s", reason, console)
	}
	return errors.Join(fmt.Errorf("box %s does not boot: %w", b.name, reason), err, removeConsole(b.name))
}
