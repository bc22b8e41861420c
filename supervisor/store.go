package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
)

// Default directories. The first does not survive a reboot, and neither do the
// processes that its contents speak of.
const (
	RuntimeDirectory = "/run/nginx-hotswap"
	StateDirectory   = "/var/lib/nginx-hotswap"
)

// Store keeps what must outlive the process: the record of the cycle that
// runs, past records, and what is known of each instance.
type Store struct {
	Runtime string // directory, see RuntimeDirectory
	State   string // directory, see StateDirectory
}

// running is the record of the cycle that runs for an instance.
func (s Store) running(instance string) string {
	return filepath.Join(s.Runtime, "cycle", fileName(instance)+".json")
}

func (s Store) history() string { return filepath.Join(s.State, "history") }

func (s Store) attached(instance string) string {
	return filepath.Join(s.State, "instance", fileName(instance)+".json")
}

func (s Store) vault(instance string) string {
	return filepath.Join(s.State, "vault", fileName(instance))
}

// fileName makes an instance's name safe as the name of a file.
func fileName(instance string) string {
	name := strings.NewReplacer("/", "-", "\x00", "-").Replace(strings.TrimLeft(instance, "./"))
	if name == "" {
		return "_"
	}
	return name
}

// SaveRunning writes the record of a running cycle.
func (s Store) SaveRunning(r *Record) error {
	return writeJSON(s.running(r.Instance), r)
}

// LoadRunning returns the record of a cycle that was left running, or nil.
func (s Store) LoadRunning(instance string) (*Record, error) {
	data, err := os.ReadFile(s.running(instance))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return ParseRecord(data)
}

// Close moves a finished record to the history and forgets the oldest of them
// beyond keep.
func (s Store) Close(r *Record, keep int) error {
	err := writeJSON(filepath.Join(s.history(), r.ID+".json"), r)
	s.keepSamples(r)
	if err := errors.Join(err, s.Drop(r.Instance)); err != nil {
		return err
	}
	return s.prune(keep)
}

// Drop forgets the record of a running cycle without a trace.
func (s Store) Drop(instance string) error {
	s.dropSamples(instance)
	if err := os.Remove(s.running(instance)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s Store) prune(keep int) error {
	names, err := s.recordNames()
	if err != nil {
		return err
	}
	for _, name := range names[:max(0, len(names)-keep)] {
		samples := s.keptSamples(strings.TrimSuffix(name, ".json"))
		if err := os.Remove(samples); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Remove(filepath.Join(s.history(), name)); err != nil {
			return err
		}
	}
	return nil
}

// readDir lists a directory, which is empty when it is not there.
func readDir(dir string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

// recordNames returns the names of the records, oldest first.
func (s Store) recordNames() ([]string, error) {
	entries, err := readDir(s.history())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".json"); ok && validID(id) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// History returns the finished records, oldest first. Files that cannot be
// read are reported and left out.
func (s Store) History(log *slog.Logger) ([]*Record, error) {
	names, err := s.recordNames()
	if err != nil {
		return nil, fmt.Errorf("cannot read the history: %w", err)
	}
	var records []*Record
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(s.history(), name))
		if err == nil {
			var r *Record
			if r, err = ParseRecord(data); err == nil {
				records = append(records, r)
				continue
			}
		}
		log.Warn("record is left out", "file", name, "error", err)
	}
	return records, nil
}

// ErrNoCycle says that there is no record of a cycle.
var ErrNoCycle = errors.New("there is no such cycle")

// Record returns the record of one finished cycle.
func (s Store) Record(id string) (*Record, error) {
	if !validID(id) {
		return nil, fmt.Errorf("%w: %.40q is not an id, which looks like 20260301T120000.123-abcde", ErrNoCycle, id)
	}
	path := filepath.Join(s.history(), id+".json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoCycle, id)
	}
	if err != nil {
		return nil, err
	}
	r, err := ParseRecord(data)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return r, nil
}

// Last returns the newest finished record of an instance, or nil.
func (s Store) Last(instance string) *Record {
	names, err := s.recordNames()
	if err != nil {
		return nil
	}
	for _, name := range slices.Backward(names) {
		data, err := os.ReadFile(filepath.Join(s.history(), name))
		if err != nil {
			continue
		}
		if r, err := ParseRecord(data); err == nil && r.Instance == instance {
			return r
		}
	}
	return nil
}

// Attachment returns what is remembered, or nil before the first attach.
func (s Store) Attachment(instance string) (*Attachment, error) {
	data, err := os.ReadFile(s.attached(instance))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var a Attachment
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, fmt.Errorf("cannot read %s (remove it to attach anew): %w", s.attached(instance), err)
	}
	return &a, nil
}

// SaveAttachment remembers.
func (s Store) SaveAttachment(instance string, a Attachment) error {
	return writeJSON(s.attached(instance), a)
}

// writeJSON replaces a file so that a reader and a crash see the old contents
// or the new ones.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(data, '\n'))
}

func writeFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := renameio.WriteFile(path, data, 0o600, renameio.WithTempDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	// renameio syncs the file; the rename itself is safe once the directory is.
	return syncDirectory(dir)
}
