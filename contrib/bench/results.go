package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// results is what a run of the benchmark found.
type results struct {
	where    string // and when
	sections []*section
}

// write prints a section.
func (s *section) write(w io.Writer) {
	fmt.Fprintf(w, "\n## %s\n\n%s\n", s.title, s.text)
	for _, t := range s.tables {
		fmt.Fprintf(w, "\n%s\n\n", t.caption)
		t.table.write(w)
	}
}

// verdicts prints what was to be reached.
func (r results) verdicts(w io.Writer) {
	fmt.Fprint(w, "\n## What had to be reached\n\n")
	for _, s := range r.sections {
		for _, g := range s.goals {
			fmt.Fprintf(w, "- %s\n", g)
		}
	}
}

// lost is an error when nginx-hotswap has lost what it promises not to lose.
func (r results) lost() error {
	var errs []error
	for _, s := range r.sections {
		errs = append(errs, s.lost)
	}
	return errors.Join(errs...)
}

// shortfalls explains what is not reached, with what profiles have shown.
//
//go:embed shortfalls.md
var shortfalls string

// save writes RESULTS.md, or what the file is called, and its raw figures.
func (r results) save(path string) error {
	if path == "" || len(r.sections) == 0 {
		return nil
	}
	raw := map[string]any{}
	for _, s := range r.sections {
		raw[s.title] = s.raw
	}
	figures, err := json.MarshalIndent(raw, "", " ")
	if err != nil {
		return fmt.Errorf("cannot write the figures: %w", err)
	}
	beside := strings.TrimSuffix(path, filepath.Ext(path)) + ".json"
	return errors.Join(
		os.WriteFile(path, r.page(filepath.Base(beside)), 0o644),
		os.WriteFile(beside, append(figures, '\n'), 0o644))
}

// page is the whole of RESULTS.md.
func (r results) page(raw string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Results\n\nWritten by `make bench`. %s Everything was measured in one run, in throwaway machines with a systemd of\n"+
		"their own on that one machine; what is compared took turns. The figures of each run are in [%s](%[2]s).\n", r.where, raw)
	r.verdicts(&b)
	b.WriteString(shortfalls)
	for _, s := range r.sections {
		s.write(&b)
	}
	return b.Bytes()
}
