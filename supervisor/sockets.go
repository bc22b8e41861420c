package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// linkUnixListeners makes a second name for every unix socket, from which its
// own can be restored: a successor before 1.19.1 that is ended by TERM unlinks
// them, and so does one whose configuration lacks the listener.
func (c *cycle) linkUnixListeners() error {
	for _, l := range c.unixListeners() {
		info, err := c.old.root.Lstat(l.Address)
		if err != nil || info.Mode()&os.ModeSocket == 0 {
			return &Refusal{ReasonUnixListener, fmt.Sprintf("the socket %s of %s is gone from the file system", l, c.old.name()), "restart nginx once"}
		}
		err = c.old.root.Link(l.Address, keptSocket(l))
		if err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("cannot keep a link to the socket %s: %w", l.Address, err)
		}
	}
	return nil
}

// unixListeners returns the old master's listeners that have a name in the
// file system.
func (c *cycle) unixListeners() []nginx.Listener {
	var found []nginx.Listener
	for _, l := range c.rec.Old.Listeners {
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

// unlinkKept removes the second names.
func (c *cycle) unlinkKept() {
	for _, l := range c.unixListeners() {
		if err := c.old.root.Unlink(keptSocket(l)); err != nil && !errors.Is(err, os.ErrNotExist) {
			c.s.log.Warn("cannot remove the kept socket", "path", keptSocket(l), "error", err)
		}
	}
}
