package packages

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Tree is an unpacked package.
type Tree struct {
	dir string
}

// Unpack unpacks the package file deb into dir, which must not exist.
func Unpack(ctx context.Context, deb, dir string) (Tree, error) {
	if out, err := exec.CommandContext(ctx, "dpkg-deb", "-R", deb, dir).CombinedOutput(); err != nil {
		return Tree{}, fmt.Errorf("cannot unpack %s: %w: %s", deb, err, out)
	}
	// dpkg makes its own when it unpacks a package without.
	if err := os.Remove(filepath.Join(dir, "DEBIAN/md5sums")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Tree{}, err
	}
	return Tree{dir}, nil
}

// Pack makes a package file in the directory to, named as dpkg-deb(1) does.
func (t Tree) Pack(ctx context.Context, to string) error {
	if out, err := exec.CommandContext(ctx, "dpkg-deb", "-Znone", "--root-owner-group", "-b", t.dir, to).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot pack %s: %w: %s", t.dir, err, out)
	}
	return nil
}

// Path returns where a file of the package is now.
func (t Tree) Path(name string) string { return filepath.Join(t.dir, name) }

// Field returns a field of the control file, of those with a single line.
func (t Tree) Field(name string) (string, error) {
	control, err := os.ReadFile(t.Path("DEBIAN/control"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(control)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(key, name) {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("cannot find %s in %s", name, t.Path("DEBIAN/control"))
}

// raise gives the package another version, and the packages that it wants in a
// certain version the same addition.
func (t Tree) raise(addition string, with map[string]string) error {
	version, err := t.Field("Version")
	if err != nil {
		return err
	}
	path := t.Path("DEBIAN/control")
	control, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := strings.Replace(string(control), "\nVersion: "+version+"\n", "\nVersion: "+version+addition+"\n", 1)
	for name, old := range with {
		text = strings.ReplaceAll(text, name+" (= "+old+")", name+" (= "+old+addition+")")
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// edit replaces the contents of each file that the pattern matches; there must be
// one.
func (t Tree) edit(pattern string, change func(content []byte) ([]byte, error)) error {
	found, err := filepath.Glob(t.Path(pattern))
	if err != nil {
		return err
	}
	edited := false
	for _, path := range found {
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if content, err = change(content); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := os.WriteFile(path, content, info.Mode()); err != nil {
			return err
		}
		edited = true
	}
	if !edited {
		return fmt.Errorf("no file of the package is %s", pattern)
	}
	return nil
}
