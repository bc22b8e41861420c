package supervisor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// attachTo is a supervisor that has taken hold of a test's nginx.
func attachTo(t *testing.T, n *nginxtest.Nginx) *Supervisor {
	t.Helper()
	c := Defaults()
	s := New(InstanceConfig{Name: "test", PIDFile: n.PIDPath(), Upgrade: c.Upgrade},
		Options{Config: c, Store: tempStore(t), PackageLocks: []PackageLock{}})
	m, err := s.attach(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.attached(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.detach)
	return s
}

// What is on disk when Restoring comes to it may be the condemned build, the
// kept one (we were killed after the exchange), or something newer.
func TestPutBack(t *testing.T) {
	t.Parallel()
	n := nginxtest.Start(t, traffic.Site{})
	good := readText(t, n.Binary)
	condemnedBuild, version := n.Newer(t, '9')
	newest, _ := n.Newer(t, '8')
	restored := &Restored{SHA256: sha(good), Condemned: sha(string(condemnedBuild)), Version: version, Reason: "it crashed"}
	for _, tt := range []struct {
		name, disk, left string
		want             *Restored
	}{
		{"the condemned build", string(condemnedBuild), good, restored},
		{"the kept build already", good, good, restored},
		{"a newer build", string(newest), string(newest), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := attachTo(t, n)
			nginxtest.Install(t, n.Binary, []byte(tt.disk))
			c := s.newCycle(t.Context(), s.current, &Record{Instance: "test", Reason: "it crashed",
				Old: Generation{Version: s.current.build.Number, SHA256: sha(good)}, Successor: Generation{Version: version, SHA256: restored.Condemned}})
			defer c.close()
			if err := c.putBack(t.Context()); err != nil {
				t.Error(err)
			}
			if readText(t, n.Binary) != tt.left {
				t.Error("another file is on disk than should be")
			}
			if diff := cmp.Diff(tt.want, s.attachment.Restored); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A file of the configuration that was changed after it was loaded is named,
// until a reload.
func TestDrift(t *testing.T) {
	t.Parallel()
	conf := filepath.Join(t.TempDir(), "extra.conf")
	put(t, conf, "# nothing\n")
	n := nginxtest.Start(t, traffic.Site{Extra: "include " + filepath.Dir(conf) + "/*.conf;"})
	s := attachTo(t, n)
	if drift := s.drift(s.current); drift != "" {
		t.Errorf("fresh from the start: %s", drift)
	}
	tree, err := nginx.ReadTree(s.current.ID)
	if err != nil {
		t.Fatal(err)
	}
	loaded, _, ok := s.current.loadedAt(tree)
	if !ok || time.Until(loaded) > 2*time.Second || time.Since(loaded) > time.Minute {
		t.Fatalf("loaded at %v, %v", loaded, ok)
	}
	for _, path := range []string{n.ConfigPath(), conf} {
		contents := readText(t, path)
		changed := loaded.Add(time.Millisecond)
		put(t, path, contents+"# changed\n")
		touch(t, path, changed)
		if drift := s.drift(s.current); drift != path || !strings.HasPrefix(driftText(drift), path+" was changed") {
			t.Errorf("after a change of %s: %q", path, drift)
		}
		// A package writes it anew, as it was.
		put(t, path, contents)
		touch(t, path, changed)
		if drift := s.drift(s.current); drift != "" {
			t.Errorf("the same contents: %s", drift)
		}
	}
	added := filepath.Join(filepath.Dir(conf), "added.conf")
	put(t, added, "# new\n")
	touch(t, added, loaded.Add(time.Millisecond))
	if drift := s.drift(s.current); drift != added {
		t.Errorf("a file was added: %q", drift)
	}
	if err := os.Remove(added); err != nil {
		t.Fatal(err)
	}
	if driftText("") != "" {
		t.Error("no drift is spoken of")
	}

	put(t, conf, "# changed\n")
	touch(t, conf, loaded.Add(time.Millisecond))
	nginxtest.Eventually(t, "the change is past", func() bool { return time.Since(loaded) > 10*time.Millisecond })
	if err := s.current.Signal(unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	nginxtest.Eventually(t, "the reload has ended the drift", func() bool { return s.drift(s.current) == "" })
}

func touch(t *testing.T, path string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}
