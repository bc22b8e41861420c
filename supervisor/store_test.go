package supervisor

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func tempStore(t *testing.T) Store {
	t.Helper()
	dir := t.TempDir()
	return Store{Runtime: filepath.Join(dir, "run"), State: filepath.Join(dir, "lib")}
}

func TestStoreRunningRecord(t *testing.T) {
	s := tempStore(t)
	if r, err := s.LoadRunning("nginx"); r != nil || err != nil {
		t.Fatalf("before the first: %+v, %v", r, err)
	}
	want := fullRecord(someTime)
	want.Result, want.Finished = "", nil
	if err := s.SaveRunning(want); err != nil {
		t.Fatal(err)
	}
	got, err := s.LoadRunning("nginx")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if other, err := s.LoadRunning("other"); other != nil || err != nil {
		t.Errorf("another instance has %+v, %v", other, err)
	}
	for range 2 { // dropping nothing is no error
		if err := s.Drop("nginx"); err != nil {
			t.Error(err)
		}
	}
	if r, err := s.LoadRunning("nginx"); r != nil || err != nil {
		t.Errorf("after Drop: %+v, %v", r, err)
	}
	if _, err := os.Stat(s.history()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a dropped record left a trace: %v", err)
	}
}

func TestStoreIsForRootAlone(t *testing.T) {
	s := tempStore(t)
	r := fullRecord(someTime)
	if err := s.SaveRunning(r); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(r, 10); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveAttachment("nginx", Attachment{}); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(filepath.Dir(s.State), func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == filepath.Dir(s.State) {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestStoreRefusesUnusableRunningRecord(t *testing.T) {
	for name, data := range map[string]string{
		"truncated": `{"version":1,"id":`, "empty": "", "newer": `{"version":2,"id":"20260301T120000.123-abcde"}`,
	} {
		s := tempStore(t)
		if err := s.SaveRunning(fullRecord(someTime)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.running("nginx"), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := s.LoadRunning("nginx"); err == nil {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}

func TestStoreHistory(t *testing.T) {
	s := tempStore(t)
	if got, err := s.History(slog.New(slog.DiscardHandler)); len(got) > 0 || err != nil {
		t.Fatalf("before the first: %v, %v", got, err)
	}
	if r := s.Last("nginx"); r != nil {
		t.Fatalf("before the first: %+v", r)
	}
	var want []string
	for i, minutes := range []int{30, 10, 20, 50, 40, 60} {
		r := fullRecord(someTime.Add(time.Duration(minutes) * time.Minute))
		if i == 3 {
			r.Instance = "other"
		}
		if err := s.SaveRunning(r); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(r, 4); err != nil {
			t.Fatal(err)
		}
		if left, err := s.LoadRunning(r.Instance); left != nil || err != nil {
			t.Errorf("the record still runs: %+v, %v", left, err)
		}
		if minutes > 20 {
			want = append(want, r.ID)
		}
	}
	// Oldest first; 10 and 20 minutes are forgotten, by time and not by the
	// order of their ends.
	want = []string{want[0], want[2], want[1], want[3]}
	if diff := cmp.Diff(want, historyIDs(t, s)); diff != "" {
		t.Error(diff)
	}
	if last := s.Last("nginx"); last == nil || last.ID != want[3] {
		t.Errorf("the last is %+v, want %s", last, want[3])
	}
	if last := s.Last("other"); last == nil || last.ID != want[2] {
		t.Errorf("the last of the other is %+v, want %s", last, want[2])
	}
}

func historyIDs(t *testing.T, s Store) []string {
	t.Helper()
	records, err := s.History(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}

func TestStoreLeavesOutCorruptRecords(t *testing.T) {
	s := tempStore(t)
	good := fullRecord(someTime)
	if err := s.Close(good, 10); err != nil {
		t.Fatal(err)
	}
	corrupt := newID(someTime.Add(time.Hour)) + ".json"
	for name, data := range map[string]string{
		corrupt:                     `{"version":1,`,
		"notes.txt":                 "not ours",
		"..%2f..%2fetc%2fpass.json": "{}",
		".json":                     "{}",
	} {
		if err := os.WriteFile(filepath.Join(s.history(), name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	records, err := s.History(slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil || len(records) != 1 || records[0].ID != good.ID {
		t.Errorf("got %v, %v", records, err)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), corrupt) {
		t.Errorf("want one line about %s, got\n%s", corrupt, log.String())
	}
	if last := s.Last("nginx"); last == nil || last.ID != good.ID {
		t.Errorf("the last is %+v", last)
	}
	// What is not ours does not count and is not removed.
	if err := s.prune(1); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.history(), "notes.txt")); err != nil {
		t.Error(err)
	}
}

func TestStoreAttachment(t *testing.T) {
	s := tempStore(t)
	if a, err := s.Attachment("nginx"); a != nil || err != nil {
		t.Fatalf("before the first: %+v, %v", a, err)
	}
	for _, want := range []Attachment{
		{}, {Baseline: "aa"}, {Refused: &Refused{Key: "bb", Reason: "not-elf", Text: "it is not"}},
	} {
		if err := s.SaveAttachment("nginx", want); err != nil {
			t.Fatal(err)
		}
		got, err := s.Attachment("nginx")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Error(diff)
		}
	}
	if err := os.WriteFile(s.attached("nginx"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a, err := s.Attachment("nginx"); err == nil || !strings.Contains(err.Error(), s.attached("nginx")) {
		t.Errorf("a truncated file gives %+v, %v", a, err)
	}
}

// TestStorePathsStayInside gives every kind of file hostile names of
// instances.
func TestStorePathsStayInside(t *testing.T) {
	s := Store{Runtime: "/run/x", State: "/lib/x"}
	for _, name := range []string{
		"", ".", "..", "/", "../..", "/etc/passwd", "../../etc/passwd", "a/../../b", "./a", "...", "a\x00b", "-f", "nginx@blog", "..\\..",
	} {
		safe := fileName(name)
		if safe == "" || safe == "." || safe == ".." || safe != filepath.Base(safe) || strings.Contains(safe, "\x00") {
			t.Errorf("fileName(%q) = %q", name, safe)
		}
		for dir, path := range map[string]string{
			"/run/x/cycle": s.running(name), "/lib/x/instance": s.attached(name), "/lib/x/vault": s.vault(name),
		} {
			if filepath.Dir(path) != dir {
				t.Errorf("the path for %q is %s, not in %s", name, path, dir)
			}
		}
	}
	if got := fileName("nginx@blog"); got != "nginx@blog" {
		t.Errorf("a harmless name becomes %q", got)
	}
}
