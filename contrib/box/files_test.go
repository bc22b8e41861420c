package box

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	b := Start(t, Options{})
	b.Run(t, "ln -s /opt/real /opt/link; mkdir /opt/real; ln -s /etc/elsewhere /opt/real/file")
	if err := b.WriteFile("/opt/link/file", []byte("content\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if got := b.Run(t, "stat -c '%a %F' /etc/elsewhere; cat /opt/real/file"); got != "640 regular file\ncontent" {
		t.Error(got)
	}
	content, err := os.ReadFile(b.Path("/opt/link/file"))
	if diff := cmp.Diff("content\n", string(content)); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if _, err := os.Stat("/etc/elsewhere"); err == nil {
		t.Error("written on the host")
	}
}

func TestCopyIn(t *testing.T) {
	t.Parallel()
	b := Start(t, Options{})
	src := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(src, []byte("#!/bin/sh\necho new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(src, 0o4751); err != nil {
		t.Fatal(err)
	}
	// A program that runs cannot be written, only replaced.
	b.Run(t, "mkdir -p /opt/new; cp /bin/sleep /opt/new/program; /opt/new/program 1000 >/dev/null 2>&1 &")
	if err := b.CopyIn(src, "/opt/new/program"); err != nil {
		t.Fatal(err)
	}
	if got := b.Run(t, "/opt/new/program; stat -c %a /opt/new/program; ls -A /opt/new"); got != "new\n751\nprogram" {
		t.Error(got)
	}
	if err := b.CopyIn(src, "/opt/a/b/c"); err != nil {
		t.Error(err)
	}
	if err := b.CopyIn(t.TempDir(), "/opt/dir"); err == nil {
		t.Error("a directory was copied")
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "run/lock"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"var": "/run", "run/up": "../..", "run/out": "../../../etc", "loop": "/loop", "run/self": "lock/.",
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"":                "",
		"/":               "",
		"run/lock":        "/run/lock",
		"/var/lock":       "/run/lock",
		"/var/lock/new/x": "/run/lock/new/x",
		"/var":            "/run",
		"/var/up/run":     "/run",
		"/var/out/passwd": "/etc/passwd",
		"/../../etc":      "/etc",
		"/loop/x":         "/loop/x",
		"/run/self/f":     "/run/lock/f",
		"/none/../run":    "/run",
	} {
		if got := resolve(root, name); got != root+want {
			t.Errorf("%s: %s, want %s", name, got, root+want)
		}
	}
}
