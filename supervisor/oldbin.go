package supervisor

import (
	"log/slog"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// removeStaleOldBin removes what a killed old master left behind. One that
// goes by itself has removed it before it exits (ngx_delete_pidfile).
func (c *cycle) removeStaleOldBin() error {
	return removeStaleOldBin(c.successorRoot(), c.old.pidFile, c.old.PID, c.s.log)
}

func removeStaleOldBin(root *nginx.Root, pidFile string, gone int, log *slog.Logger) error {
	oldBin := pidFile + nginx.OldBin
	pid, err := nginx.ReadPIDFile(root, oldBin)
	if err != nil || pid != gone {
		return nil
	}
	log.Warn("the old master left its pid file behind, it is removed", "path", oldBin)
	return root.Unlink(oldBin)
}

// clearOldBin removes it wherever old went otherwise than by our QUIT. It does not
// keep a cycle from its end: USR2 replaces the file.
func (c *cycle) clearOldBin() {
	if c.old.Alive() {
		return
	}
	if err := c.removeStaleOldBin(); err != nil {
		c.s.log.Warn("cannot remove the pid file of the old master", "error", err)
	}
}

// successorRoot is the same place as old's; it was opened while old lived.
func (c *cycle) successorRoot() *nginx.Root { return c.old.root }
