package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// textfileName is what node_exporter finds. The temporary file beside it ends
// otherwise, so that it is never read half-written.
const textfileName = "nginx-hotswap.prom"

// writeTextfile replaces the file in one step. Everything goes through an open
// directory: by its name, somebody who owns a directory above it could make
// root write, and change modes, elsewhere.
func writeTextfile(directory string, text []byte) error {
	dir, err := openTextfileDirectory(directory)
	if err != nil {
		return err
	}
	defer dir.Close()
	// node_exporter is an ordinary user, and our umask is none for that.
	return renameio.WriteFile(textfileName, text, 0o644, renameio.WithRoot(dir), renameio.IgnoreUmask())
}

// removeTextfile removes the file, which may be gone.
func removeTextfile(directory string) error {
	dir, err := openTextfileDirectory(directory)
	if err == nil {
		defer dir.Close()
		err = dir.Remove(textfileName)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// errTextfileDirectory says that a directory is not fit for root to write to.
var errTextfileDirectory = errors.New("not a place for root to write to")

// openTextfileDirectory opens the directory. A directory may belong to anybody,
// as Debian's /var/lib/prometheus does. A link on the way may not: who has made
// it decides where root writes to. Where everybody may write, everybody could
// put figures of his own in the place of ours.
func openTextfileDirectory(path string) (*os.Root, error) {
	host, err := nginx.HostRoot()
	if err != nil {
		return nil, err
	}
	defer host.Close()
	trail, err := host.Walk(path)
	if err != nil {
		return nil, err
	}
	for _, e := range trail {
		if e.Info.Mode()&os.ModeSymlink != 0 && !trustedOwner(e.Info) {
			return nil, fmt.Errorf("%w: the link %s is somebody else's", errTextfileDirectory, e.Path)
		}
	}
	last := trail[len(trail)-1]
	if mode := last.Info.Mode(); mode.Perm()&0o002 != 0 && mode&os.ModeSticky == 0 {
		return nil, fmt.Errorf("%w: everybody may write to %s (mode %04o)", errTextfileDirectory, last.Path, mode.Perm())
	}
	dir, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	if info, err := dir.Stat("."); err != nil || !os.SameFile(info, last.Info) {
		return nil, errors.Join(fmt.Errorf("%w: %s has just become another directory", errTextfileDirectory, path), err, dir.Close())
	}
	return dir, nil
}

func trustedOwner(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (st.Uid == 0 || int(st.Uid) == os.Geteuid())
}

// textfileRemedy says what to do about an error.
func textfileRemedy(directory string, err error) string {
	switch {
	case errors.Is(err, unix.EROFS):
		return fmt.Sprintf("the unit is not allowed to: add ReadWritePaths=-%s to its [Service] with `systemctl edit nginx-hotswap`, and restart it", directory)
	case errors.Is(err, fs.ErrNotExist):
		return "create the directory, or correct TextfileDirectory="
	case errors.Is(err, errTextfileDirectory):
		return "write TextfileDirectory= without links, and `chmod o-w` the directory"
	}
	return "it is tried again with the next change"
}
