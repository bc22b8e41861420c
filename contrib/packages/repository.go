package packages

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// Repack makes the named packages anew in the directory to, each with the addition
// to its version and with its change, and an index of it all for apt:
//
//	deb [trusted=yes] file:DIRECTORY ./
func (a Archive) Repack(ctx context.Context, to, addition string, changes map[string]Change) error {
	work, err := os.MkdirTemp("", "nginx-hotswap-packages-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	trees, versions := map[string]Tree{}, map[string]string{}
	for name := range changes {
		deb, err := a.file(name)
		if err != nil {
			return err
		}
		tree, err := Unpack(ctx, deb, filepath.Join(work, name))
		if err != nil {
			return err
		}
		if versions[name], err = tree.Field("Version"); err != nil {
			return err
		}
		trees[name] = tree
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		if err := changes[name](trees[name]); err != nil {
			return fmt.Errorf("cannot change %s: %w", name, err)
		}
		if err := trees[name].raise(addition, versions); err != nil {
			return err
		}
		if err := trees[name].Pack(ctx, to); err != nil {
			return err
		}
	}
	return Index(ctx, to)
}

// Index writes the file Packages for the packages in dir, deb822(5) as apt reads
// it.
func Index(ctx context.Context, dir string) error {
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	var index bytes.Buffer
	for _, deb := range debs {
		control, err := exec.CommandContext(ctx, "dpkg-deb", "-f", deb).Output()
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", deb, err)
		}
		content, err := os.ReadFile(deb)
		if err != nil {
			return err
		}
		fmt.Fprintf(&index, "%s\nFilename: ./%s\nSize: %d\nSHA256: %x\n\n",
			bytes.TrimSpace(control), filepath.Base(deb), len(content), sha256.Sum256(content))
	}
	return os.WriteFile(filepath.Join(dir, "Packages"), index.Bytes(), 0o644)
}
