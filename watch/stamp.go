package watch

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Stamp identifies what a path shows, so that two looks can be compared with ==. It tells replaced, rewritten and re-linked
// files apart without reading them. The zero value is that of a file that is not there and was not reached by a link.
type Stamp struct {
	// Dev and Ino are the device and inode number of the file at the end of all links; both 0 if there is none.
	Dev, Ino uint64
	// Size is in bytes.
	Size int64
	// Mtime and Ctime are in nanoseconds since 1970. Ctime cannot be set by programs, so that a file which was written
	// and then given its old mtime back (rsync -t, cp -p, touch -r) still differs.
	Mtime, Ctime int64
	// Links is the text of every symbolic link on the way, each one ended by a newline.
	Links string
}

// StampOf returns the stamp of path. Links are followed inside the root that path is in (see the package comment). If there
// is no file the error wraps [io/fs.ErrNotExist] or the errno that ended the walk (ENOTDIR, ELOOP, EACCES), and the stamp
// has only the links that were read.
func StampOf(path string) (Stamp, error) {
	t, err := walk(path)
	if err != nil {
		return t.stamp, fmt.Errorf("cannot look at %s: %w", path, err)
	}
	return t.stamp, nil
}

// fill sets everything but the links.
func (s *Stamp) fill(st *unix.Stat_t) {
	s.Dev, s.Ino, s.Size = uint64(st.Dev), st.Ino, st.Size
	s.Mtime, s.Ctime = st.Mtim.Nano(), st.Ctim.Nano()
}
