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
	"strings"
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
	// Files are the modules and libraries that it ran with. Modules are kept
	// beside the binary, libraries are only named.
	Files []KeptFile `json:"files,omitempty"`
}

// KeptFile is a module or a library of a kept build.
type KeptFile struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Module bool   `json:"module,omitempty"`
}

const (
	keptBinary  = "nginx"
	keptInfo    = "build.json"
	keptModules = "modules"
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
		os.Remove(dir) // unless there is something in it
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
	out, err := renameio.NewPendingFile(to, renameio.WithPermissions(0o755), renameio.WithTempDir(filepath.Dir(to)))
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

// KeepModule puts a module beside its binary. from is best a map_files entry.
func (v Vault) KeepModule(b KeptBuild, f KeptFile, from string) error {
	dir := filepath.Join(v.Path(b.Version, b.SHA256), keptModules)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := copyVerified(filepath.Join(dir, filepath.Base(f.Path)), from, f.SHA256); err != nil {
		return fmt.Errorf("cannot keep module %s: %w", f.Path, err)
	}
	return nil
}

// files are the modules and libraries that a kept build was last seen with.
func (v Vault) files(b KeptBuild) []KeptFile {
	data, err := os.ReadFile(filepath.Join(v.Path(b.Version, b.SHA256), keptInfo))
	if err != nil {
		return nil
	}
	var known KeptBuild
	if json.Unmarshal(data, &known) != nil {
		return nil
	}
	return known.Files
}

// Binary is the path of a kept binary.
func (v Vault) Binary(b KeptBuild) string {
	return filepath.Join(v.Path(b.Version, b.SHA256), keptBinary)
}

// Find returns the build that a person or a record names: by its SHA-256, the
// beginning of that, or a version that only one build has. Its contents are
// verified.
func (v Vault) Find(name string) (KeptBuild, error) {
	builds, err := v.Builds()
	if err != nil {
		return KeptBuild{}, err
	}
	var found []KeptBuild
	var all []string
	for _, b := range builds {
		all = append(all, b.Version+" ("+hash8(b.SHA256)+"…)")
		if b.Version == name || len(name) >= 6 && strings.HasPrefix(b.SHA256, name) {
			found = append(found, b)
		}
	}
	switch len(found) {
	case 0:
		return KeptBuild{}, fmt.Errorf("no kept build is called %s; there is %s", name, strings.Join(all, ", "))
	case 1:
	default:
		return KeptBuild{}, fmt.Errorf("several kept builds are called %s, name one by its SHA-256: %s", name, strings.Join(all, ", "))
	}
	has, err := v.Has(found[0].Version, found[0].SHA256)
	if err == nil && !has {
		err = fmt.Errorf("the kept build %s is damaged", v.Path(found[0].Version, found[0].SHA256))
	}
	return found[0], err
}

// Builds returns what is in the vault, oldest first. Directories without a
// readable build.json are left out.
func (v Vault) Builds() ([]KeptBuild, error) {
	entries, err := readDir(v.Dir)
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
