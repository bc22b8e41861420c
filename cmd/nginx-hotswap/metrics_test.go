package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// fakeDaemon is what the metrics know of the daemon.
type fakeDaemon struct {
	held  bool // the state of its one instance, changed before m.change
	looks int
	log   bytes.Buffer
}

func (f *fakeDaemon) metrics() *metrics {
	return newMetrics(slog.New(slog.NewTextHandler(&f.log, nil)), f.look, func() []*supervisor.Record { return nil })
}

func (f *fakeDaemon) look(map[string]bool) []supervisor.Status {
	f.looks++
	return []supervisor.Status{{Name: "nginx", Held: f.held}}
}

// running runs the metrics in a bubble, in which an hour takes no time.
func (f *fakeDaemon) running(t *testing.T, story func(m *metrics)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m := f.metrics()
		ended := make(chan error)
		go func() { ended <- m.run(ctx) }()
		story(m)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

const heldLine = "nginx_hotswap_held{name=\"nginx\"} 1\n"

func says(t *testing.T, dir, text string) bool {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, textfileName))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Contains(string(data), text)
}

func there(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, textfileName))
	return err == nil
}

// Many changes are one write in a second, none are none, and the file does not
// outlive the daemon.
func TestMetricsWrites(t *testing.T) {
	var f fakeDaemon
	dir := t.TempDir()
	f.running(t, func(m *metrics) {
		m.change("nginx") // before there is a directory
		pass(time.Minute)
		if f.looks != 0 || there(dir) {
			t.Errorf("without a directory: %d looks", f.looks)
		}
		m.configure(dir)
		pass(time.Minute)
		if f.looks != 1 || !there(dir) || says(t, dir, heldLine) {
			t.Errorf("at first: %d looks", f.looks)
		}
		f.held = true
		for range 100 {
			m.change("nginx")
			pass(100 * time.Millisecond)
		}
		if f.looks > 12 || !says(t, dir, heldLine) {
			t.Errorf("after changes during ten seconds: %d looks", f.looks)
		}
		pass(time.Second)
		before, info := f.looks, stat(t, dir)
		pass(time.Hour)
		if f.looks != before {
			t.Errorf("%d looks although nothing has changed", f.looks-before)
		}
		m.change("nginx")
		pass(time.Minute)
		if f.looks != before+1 || !os.SameFile(info, stat(t, dir)) {
			t.Error("the same text was written again")
		}
		if err := os.Remove(filepath.Join(dir, textfileName)); err != nil {
			t.Fatal(err)
		}
		m.configure(dir)
		pass(time.Minute)
		if !there(dir) {
			t.Error("a reload does not bring the file back")
		}
	})
	if there(dir) {
		t.Error("the file is there after the end")
	}
}

func stat(t *testing.T, dir string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, textfileName))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// Another directory, and none: the file is never left behind.
func TestMetricsMove(t *testing.T) {
	var f fakeDaemon
	first, second := t.TempDir(), t.TempDir()
	f.running(t, func(m *metrics) {
		for _, dir := range []string{first, second, "", first} {
			m.configure(dir)
			pass(time.Minute)
			if there(first) != (dir == first) || there(second) != (dir == second) {
				t.Errorf("%q: there in the first: %v, in the second: %v", dir, there(first), there(second))
			}
		}
	})
}

// Somebody else's file in a directory that we cannot write to stays, and the
// trouble is told once, until it is over.
func TestMetricsTrouble(t *testing.T) {
	var f fakeDaemon
	dir := filepath.Join(t.TempDir(), "later")
	f.running(t, func(m *metrics) {
		m.configure(dir)
		for range 3 {
			pass(time.Minute)
			m.change("nginx")
		}
		pass(time.Minute)
		if got := strings.Count(f.log.String(), "level=WARN"); got != 1 || !strings.Contains(f.log.String(), "create the directory") {
			t.Errorf("%d warnings: %s", got, &f.log)
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		m.change("nginx")
		pass(time.Minute)
		if !there(dir) || !strings.Contains(f.log.String(), "level=INFO") {
			t.Errorf("after it was created: %s", &f.log)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		f.held = true
		m.change("nginx")
		pass(time.Minute)
		if got := strings.Count(f.log.String(), "level=WARN"); got != 2 {
			t.Errorf("it is gone: %d warnings: %s", got, &f.log)
		}
	})
}
