package supervisor

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// checkUnixListeners refuses an upgrade under a configuration on disk that lacks
// one of the master's unix listeners: the successor would unlink its path when
// it starts (ngx_init_cycle, "deleting socket").
func (m *master) checkUnixListeners() error {
	held, err := m.Listeners()
	if err != nil {
		return err
	}
	held = slices.DeleteFunc(held, func(l nginx.Listener) bool { return l.Network != "unix" || !filepath.IsAbs(l.Address) })
	if len(held) == 0 {
		return nil // ten thousand servers take a while to read
	}
	configured := m.files.UnixListeners(m.root)
	for _, l := range held {
		if slices.Contains(configured, l.Address) {
			continue
		}
		return &Refusal{ReasonUnixListener, fmt.Sprintf("the configuration on disk has no listener %s any more, which %s still serves", l, m.name()),
			"reload nginx first, so that both agree"}
	}
	return nil
}

// sharesQUIC says what becomes of QUIC: workers that drain go on to read the UDP
// socket that they share with the successor's (ngx_close_listening_sockets leaves
// it open), and drop what begins a connection. The admin decides for how long:
// a limit cuts downloads over TCP, too.
func (m *master) sharesQUIC(u UpgradeConfig) string {
	if u.DrainTimeoutSec != Infinity || !m.files.ListensQUIC(m.root) {
		return ""
	}
	return "some new QUIC connections fail until the old workers have finished; DrainTimeoutSec= would bound that"
}

// linkUnixListeners makes a second name for every unix socket, from which its
// own can be restored: a successor before 1.19.1 that is ended by TERM unlinks
// them, and so does one whose configuration lacks the listener.
func (c *cycle) linkUnixListeners() error {
	for _, l := range c.unixListeners() {
		info, err := c.old.root.Lstat(l.Address)
		if err != nil || info.Mode()&os.ModeSocket == 0 {
			return &Refusal{ReasonUnixListener, fmt.Sprintf("the socket %s of %s is gone from the file system", l, c.old.name()), "restart nginx once"}
		}
		if err := c.linkSocket(l, info); err != nil {
			return fmt.Errorf("cannot keep a link to the socket %s: %w", l.Address, err)
		}
	}
	return nil
}

// linkSocket replaces a link that an earlier cycle left behind, unless it is
// the right one.
func (c *cycle) linkSocket(l nginx.Listener, socket os.FileInfo) error {
	kept, err := c.old.root.Lstat(keptSocket(l))
	if err == nil {
		if os.SameFile(kept, socket) {
			return nil
		}
		if err := c.old.root.Unlink(keptSocket(l)); err != nil {
			return err
		}
	}
	return c.old.root.Link(l.Address, keptSocket(l))
}

// unixListeners returns the old master's listeners that have a name in the
// file system.
func (c *cycle) unixListeners() []nginx.Listener { return c.rec.unixListeners() }

func (r *Record) unixListeners() []nginx.Listener {
	var found []nginx.Listener
	for _, l := range r.Old.Listeners {
		if l.Network == "unix" && filepath.IsAbs(l.Address) {
			found = append(found, l)
		}
	}
	return found
}

func keptSocket(l nginx.Listener) string { return l.Address + ".nginx-hotswap" }

// restoreUnixListeners puts back what a successor unlinked.
func (c *cycle) restoreUnixListeners() error {
	for _, l := range c.unixListeners() {
		kept, err := c.old.root.Lstat(keptSocket(l))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		now, err := c.old.root.Lstat(l.Address)
		if err == nil && os.SameFile(kept, now) {
			continue
		}
		if err := c.old.root.Rename(keptSocket(l), l.Address); err != nil {
			return fmt.Errorf("cannot restore the socket %s: %w", l.Address, err)
		}
	}
	return nil
}

// relinkUnixListeners gives a socket its name back as soon as it is missed. The
// second name stays: the successor may not be done.
func (c *cycle) relinkUnixListeners() error {
	for _, l := range c.unixListeners() {
		if _, err := c.old.root.Lstat(l.Address); !errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err := c.old.root.Link(keptSocket(l), l.Address); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("cannot restore the socket %s: %w", l.Address, err)
		}
	}
	return nil
}

// quit is the signal that makes the successor go.
func (c *cycle) quit() unix.Signal {
	if len(c.unixListeners()) == 0 {
		return unix.SIGQUIT
	}
	tree, err := nginx.ReadTree(c.successor.ID)
	if err != nil {
		return unix.SIGQUIT // it is gone
	}
	return quitOf(c.rec.Successor.Version, len(tree.With(nginx.RoleWorker)))
}

// quitOf is QUIT, not TERM: before 1.19.1 a successor that gets TERM unlinks the
// unix sockets that it has from old. So does one that learns of QUIT and of its last
// worker's death at once (ngx_master_process_cycle), which in a crash loop happens
// to every tenth: without a worker that accepts such a master is killed.
func quitOf(version string, accepting int) unix.Signal {
	if accepting == 0 && (nginx.Version{Name: "nginx", Number: version}).OlderThan(1, 19, 1) {
		return unix.SIGKILL
	}
	return unix.SIGQUIT
}

// unlinkKept removes the second names.
func (c *cycle) unlinkKept() { unlinkKept(c.old.root, c.rec, c.s.log) }

func unlinkKept(root *nginx.Root, rec *Record, log *slog.Logger) {
	for _, l := range rec.unixListeners() {
		if err := root.Unlink(keptSocket(l)); err != nil && !errors.Is(err, os.ErrNotExist) {
			log.Warn("cannot remove the kept socket", "path", keptSocket(l), "error", err)
		}
	}
}
