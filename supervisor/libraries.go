package supervisor

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// libraries are the files that a master has mapped besides its binary, its
// dynamic modules and libraries, and what a successor would find in their place.
type libraries struct {
	running, disk string   // digests of all
	paths         []string // of all
	replaced      []string // of those whose place holds other contents
	overwritten   []string // of those among them that are still the same file
}

// libraries compares what a master has mapped with what is on disk. A mapping
// whose file is gone counts only if its place holds other contents: package
// managers replace files by equal ones, too.
func (s *Supervisor) libraries(m *master) (libraries, error) {
	mapped, err := nginx.ReadMapped(m.PID)
	if err != nil {
		return libraries{}, fmt.Errorf("cannot see what master %d has mapped: %w", m.PID, err)
	}
	slices.SortFunc(mapped, func(a, b nginx.Mapped) int { return strings.Compare(a.Path, b.Path) })
	var l libraries
	running, disk := sha256.New(), sha256.New()
	for _, f := range mapped {
		now, found, err := s.compareMapped(m, f)
		if err != nil {
			return libraries{}, err
		}
		l.paths = append(l.paths, f.Path)
		if now != found {
			l.replaced = append(l.replaced, f.Path)
			if !f.Deleted {
				l.overwritten = append(l.overwritten, f.Path)
			}
		}
		fmt.Fprintf(running, "%s %s\n", f.Path, now)
		fmt.Fprintf(disk, "%s %s\n", f.Path, found)
	}
	l.running, l.disk = hex.EncodeToString(running.Sum(nil)), hex.EncodeToString(disk.Sum(nil))
	return l, nil
}

// compareMapped returns the SHA-256 of what is mapped and of what is found in
// its place.
func (s *Supervisor) compareMapped(m *master, f nginx.Mapped) (now, found string, err error) {
	file, err := f.Open()
	if errors.Is(err, os.ErrNotExist) {
		return "", "", fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	if err == nil {
		now, err = s.builds.hash(file)
		file.Close()
	}
	if err != nil && !f.Deleted {
		return "", "", fmt.Errorf("cannot read the mapped %s: %w", f.Path, err)
	}
	if !f.Deleted {
		// What is mapped changes with the file, if that is written to.
		return cmp.Or(m.kept[f.Path], now), now, nil
	}
	disk, err := openReplacement(m.root, f.Path)
	if errors.Is(err, os.ErrNotExist) {
		return now, now, nil // removed, perhaps for a moment
	}
	if err != nil {
		return "", "", fmt.Errorf("cannot read %s: %w", f.Path, err)
	}
	defer disk.Close()
	found, err = s.builds.hash(disk)
	return now, found, err
}

// warnOverwritten tells once of files that were overwritten in place: the running
// workers execute a mixture of both contents.
func (s *Supervisor) warnOverwritten(c *candidate) {
	if len(c.overwritten) == 0 || s.overwritten == c.build.Key() {
		return
	}
	s.overwritten = c.build.Key()
	s.audit().Event(EventMismatch, s.current.PID, nil, "%s was overwritten in place, which running workers may not survive; "+
		"write to a temporary name and mv it, as package managers do", replacedText(c.overwritten))
}

// versioned is the name of a library's file behind its soname: libz.so.1.2.13
// is libz.so.1 for the dynamic linker.
var versioned = regexp.MustCompile(`^(.+\.so\.\d+)\.[\d.]+$`)

// openReplacement opens what the dynamic linker would take instead of a file.
func openReplacement(root *nginx.Root, path string) (*os.File, error) {
	f, err := root.Open(path)
	if !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	if soname := versioned.FindStringSubmatch(path); soname != nil {
		return root.Open(soname[1])
	}
	return nil, err
}

// replacedText names the files for a sentence.
func replacedText(paths []string) string {
	var names []string
	for _, p := range paths {
		names = append(names, filepath.Base(p))
	}
	const most = 3
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
