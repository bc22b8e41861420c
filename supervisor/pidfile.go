package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// vanishLimit is how long a pid file may be missing. A successor that goes in good
// order deletes it in its last moment (ngx_master_process_exit), and the one of old
// takes its place then.
const vanishLimit = 100 * time.Millisecond

// keepPIDFile puts the pid file in its place again that somebody has deleted while
// both masters run: `nginx -s reload` and logrotate look there, and systemd does when
// old goes.
func (c *cycle) keepPIDFile() {
	if !c.pidFileVanished(c.old.pidFile) {
		c.vanished = time.Time{}
		return
	}
	if c.vanished.IsZero() {
		c.vanished = time.Now()
		time.AfterFunc(vanishLimit, c.poke)
	}
	if time.Since(c.vanished) >= vanishLimit && c.successor.Alive() && c.old.Alive() {
		c.writePIDFile(c.successor.PID)
	}
}

// returnPIDFile gives old a pid file where it finds none that it could rename back:
// without one the next USR2 would wedge it (ngx_exec_new_binary).
func (c *cycle) returnPIDFile() {
	// In this order: old renames the second to the first.
	if c.pidFileVanished(c.old.pidFile+nginx.OldBin) && c.pidFileVanished(c.old.pidFile) {
		c.writePIDFile(c.old.PID)
	}
}

// pidFileNamesSuccessor is checked because nothing else would tell others,
// scripts and logrotate, which master is the right one.
func (c *cycle) pidFileNamesSuccessor() error {
	if c.pidFileVanished(c.old.pidFile) {
		c.writePIDFile(c.successor.PID)
	}
	pid, err := nginx.ReadPIDFile(c.old.root, c.old.pidFile)
	if err != nil {
		return fmt.Errorf("cannot read the pid file before QUIT: %w", err)
	}
	if pid != c.successor.PID {
		return fmt.Errorf("the pid file %s names %d, not the successor %d", c.old.pidFile, pid, c.successor.PID)
	}
	return nil
}

// pidFileVanished reports whether there is no such pid file, or an empty one: `nginx
// -t` leaves that where there was none.
func (c *cycle) pidFileVanished(path string) bool {
	_, err := nginx.ReadPIDFile(c.old.root, path)
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, nginx.ErrEmptyPIDFile)
}

func (c *cycle) writePIDFile(pid int) {
	if err := putPIDFile(c.old.root, c.old.pidFile, pid); err != nil {
		c.s.log.Warn(c.rec.Instance+": the pid file was deleted", "error", err)
		return
	}
	c.s.log.Warn(fmt.Sprintf("%s: somebody has deleted the pid file %s: it is written anew and names %d", c.rec.Instance, c.old.pidFile, pid))
}

// putPIDFile writes a pid file where the master sees its directory, as nginx does, but
// at once: nobody sees it empty.
func putPIDFile(root *nginx.Root, path string, pid int) error {
	return root.Directory(filepath.Dir(path), func(dir string) error {
		err := renameio.WriteFile(filepath.Join(dir, filepath.Base(path)), fmt.Appendf(nil, "%d\n", pid), 0o644,
			renameio.WithTempDir(dir), renameio.IgnoreUmask())
		if err != nil {
			return fmt.Errorf("cannot write the pid file %s: %w", path, err)
		}
		return nil
	})
}
