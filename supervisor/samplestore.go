package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// sampleFile is a file of samples. The id says which cycle they are of.
type sampleFile struct {
	ID      string   `json:"id"`
	Samples []Sample `json:"samples"`
}

// takenSamples are those of the cycle that runs. They have a directory of their
// own, as those of past cycles do: nothing in it is ever taken for a record.
func (s Store) takenSamples(instance string) string {
	return filepath.Join(s.Runtime, "samples", fileName(instance)+".json")
}

func (s Store) keptSamples(id string) string {
	return filepath.Join(s.State, "samples", id+".json")
}

func (s Store) saveSamples(instance, id string, samples []Sample) error {
	return writeSamples(s.takenSamples(instance), sampleFile{id, samples})
}

// runningSamples returns what was sampled so far, if it is of this cycle.
func (s Store) runningSamples(r *Record) ([]Sample, error) {
	return readSamples(s.takenSamples(r.Instance), r.ID)
}

// keepSamples puts the samples of a finished cycle beside its record. It is
// tried once: without them the report has no curves and says so, and nothing
// else is amiss.
func (s Store) keepSamples(r *Record) {
	if samples, err := s.runningSamples(r); err == nil && len(samples) > 0 {
		_ = writeSamples(s.keptSamples(r.ID), sampleFile{r.ID, samples})
	}
}

// dropSamples may leave them: the id tells that they are of an earlier cycle.
func (s Store) dropSamples(instance string) { _ = os.Remove(s.takenSamples(instance)) }

// Samples returns the samples of a finished cycle in the order of time. There
// are none of a candidate that was refused, and of cycles of earlier versions.
func (s Store) Samples(id string) ([]Sample, error) {
	if !validID(id) {
		return nil, fmt.Errorf("%.40q is not the id of a cycle", id)
	}
	return readSamples(s.keptSamples(id), id)
}

func readSamples(path, id string) ([]Sample, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var f sampleFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("cannot read the samples in %s: %w", path, err)
	}
	if f.ID != id {
		return nil, nil // of an earlier cycle
	}
	return inOrder(f.Samples), nil
}

// inOrder leaves out what a clock that was set back has disturbed.
func inOrder(samples []Sample) []Sample {
	var last time.Time
	kept := samples[:0]
	for _, sample := range samples {
		if sample.At.After(last) {
			kept = append(kept, sample)
			last = sample.At
		}
	}
	return kept
}

func writeSamples(path string, f sampleFile) error {
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return writeFile(path, data)
}
