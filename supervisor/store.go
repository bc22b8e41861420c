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
	"time"

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
	if err := errors.Join(err, s.Drop(r.Instance)); err != nil {
		return err
	}
	return s.prune(keep)
}

// Drop forgets the record of a running cycle without a trace.
func (s Store) Drop(instance string) error {
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

// Attachment is what is remembered of an instance between our runs.
type Attachment struct {
	// Baseline is the Build.Key of a binary on disk that differed from the
	// running one when we first attached. It is shown as pending and never
	// acted upon by itself.
	Baseline string `json:"baseline,omitempty"`
	// Refused is the candidate refused last, so that it is recorded once.
	Refused *Refused `json:"refused,omitempty"`
	// Held is true while nothing is done without being asked.
	Held bool `json:"held,omitempty"`
	// Quarantine holds the builds that crashed or answered wrongly.
	Quarantine []Condemned `json:"quarantine,omitempty"`
	// Acknowledged is the Build.Key of a build that a person knows to be bad:
	// package runs do not fail for it any more.
	Acknowledged string `json:"acknowledged,omitempty"`
	// Loaded is set after a way back, until the next reload.
	Loaded *LoadedAt `json:"loaded,omitempty"`
	// Restored is set while a kept binary stands in for a condemned one.
	Restored *Restored `json:"restored,omitempty"`
}

// Condemned is a build in quarantine.
type Condemned struct {
	Key     string    `json:"key"` // see Build.Key
	SHA256  string    `json:"sha256"`
	Version string    `json:"version"`
	Reason  string    `json:"reason"`
	Cycle   string    `json:"cycle"`
	Since   time.Time `json:"since"`
}

// Restored says which build stands in for which.
type Restored struct {
	SHA256    string `json:"sha256"`    // what is on disk
	Condemned string `json:"condemned"` // the Build.Key of what was
	Version   string `json:"version"`   // of the condemned
	Reason    string `json:"reason"`
}

// settle forgets what is no more when disk and memory agree. What a person
// decided and what is condemned stays.
func (a *Attachment) settle(standsIn bool) {
	a.Baseline, a.Refused = "", nil
	if !standsIn {
		a.Restored = nil
	}
}

// condemnation returns the entry of a quarantined build, or nil.
func (a Attachment) condemnation(key string) *Condemned {
	for i := range a.Quarantine {
		if a.Quarantine[i].Key == key {
			return &a.Quarantine[i]
		}
	}
	return nil
}

// Refused names a refused build and why.
type Refused struct {
	Key    string `json:"key"` // see Build.Key
	Reason string `json:"reason"`
	Text   string `json:"text"`
	// Asked is true when a person wanted the earlier version back.
	Asked bool `json:"asked,omitempty"`
	// Inputs is what the refusal depended on, see Supervisor.inputs. Empty:
	// it stands whatever changes.
	Inputs string `json:"inputs,omitempty"`
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
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := renameio.WriteFile(path, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	// renameio syncs the file; the rename itself is safe once the directory is.
	return syncDirectory(dir)
}
