package supervisor

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// WatchPaths are where the binary of the instance, its modules and libraries can
// be watched: their paths, or where these lead elsewhere for us than for the
// master, the paths below the master's root. While there is no master it is the
// pid file in which one would appear; for a unit there is none then, for systemd
// tells.
func (s *Supervisor) WatchPaths() []string {
	v := s.snapshot()
	if v.main == nil {
		if s.instance.PIDFile == "" {
			return nil
		}
		return []string{s.instance.PIDFile}
	}
	paths := append([]string{v.path}, v.mapped...)
	if !v.sameRoot {
		for i := range paths {
			paths[i] = fmt.Sprintf("/proc/%d/root%s", v.main.PID, paths[i])
		}
	}
	return paths
}

// OldBinPath is a file that appears at once when somebody sends USR2 to the
// master, or "".
func (s *Supervisor) OldBinPath() string {
	v := s.snapshot()
	switch {
	case v.main == nil || v.pidFile == "":
		return ""
	case v.sameRoot:
		return v.pidFile + nginx.OldBin
	}
	return fmt.Sprintf("/proc/%d/root%s%s", v.main.PID, v.pidFile, nginx.OldBin)
}

// sameRoot reports whether the directory of a path is the same for us as for a
// process.
func sameRoot(pid int, path string) bool {
	ours, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return false
	}
	theirs, err := os.Stat(filepath.Dir(fmt.Sprintf("/proc/%d/root%s", pid, path)))
	return err == nil && os.SameFile(ours, theirs)
}
