package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// Vault keeps known-good builds of one instance: a directory for each, named
// VERSION-HASH8, with the binary and build.json in it. A person finds them
// without our help.
type Vault struct{ Dir string }

// KeptBuild is what build.json says.
type KeptBuild struct {
	Version string    `json:"version"`
	SHA256  string    `json:"sha256"`
	Path    string    `json:"path"` // where it was installed
	Kept    time.Time `json:"kept"`
}

const (
	keptBinary = "nginx"
	keptInfo   = "build.json"
)

// Path is the directory of a build.
func (v Vault) Path(version, sha256 string) string {
	return filepath.Join(v.Dir, fileName(version+"-"+hash8(sha256)))
}

// Has reports whether the build is in the vault and its contents are what they
// were.
func (v Vault) Has(version, sha256 string) (bool, error) {
	f, err := os.Open(filepath.Join(v.Path(version, sha256), keptBinary))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	got, err := nginx.HashFile(f)
	return got == sha256, err
}

// Keep puts a build into the vault. from is the binary, best /proc/PID/exe: it
// can be read even when the file was replaced or removed.
func (v Vault) Keep(b KeptBuild, from string) error {
	dir := v.Path(b.Version, b.SHA256)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := copyVerified(filepath.Join(dir, keptBinary), from, b.SHA256); err != nil {
		return fmt.Errorf("cannot keep build %s: %w", b.Version, err)
	}
	return writeJSON(filepath.Join(dir, keptInfo), b)
}

func copyVerified(to, from, sha256 string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := renameio.NewPendingFile(to, renameio.WithPermissions(0o755))
	if err != nil {
		return err
	}
	defer out.Cleanup()
	got, err := nginx.HashFile(io.TeeReader(in, out))
	if err != nil {
		return err
	}
	if got != sha256 {
		return fmt.Errorf("%s has SHA-256 %s, not %s", from, got, sha256)
	}
	return out.CloseAtomicallyReplace()
}

// Builds returns what is in the vault, oldest first. Directories without a
// readable build.json are left out.
func (v Vault) Builds() ([]KeptBuild, error) {
	entries, err := os.ReadDir(v.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var builds []KeptBuild
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(v.Dir, e.Name(), keptInfo))
		if err != nil {
			continue
		}
		var b KeptBuild
		if json.Unmarshal(data, &b) == nil && filepath.Base(v.Path(b.Version, b.SHA256)) == e.Name() {
			builds = append(builds, b)
		}
	}
	slices.SortFunc(builds, func(a, b KeptBuild) int { return a.Kept.Compare(b.Kept) })
	return builds, nil
}

// Prune removes the oldest builds beyond keep, but never the one that runs.
func (v Vault) Prune(keep int, running string) error {
	builds, err := v.Builds()
	if err != nil {
		return err
	}
	surplus := len(builds) - keep
	for _, b := range builds {
		if surplus <= 0 {
			break
		}
		if b.SHA256 == running {
			continue
		}
		if err := os.RemoveAll(v.Path(b.Version, b.SHA256)); err != nil {
			return err
		}
		surplus--
	}
	return nil
}
