package nginx_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// The binary of a running master can be had when its file is gone.
func TestBinaryOfRunningMaster(t *testing.T) {
	needTracing(t)
	n := nginxtest.Start(t, traffic.Site{Workers: 1})
	data, err := os.ReadFile(n.Binary)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	newer, newVersion := n.Newer(t, '9')
	for _, change := range []func(){
		func() {},
		func() { nginxtest.Install(t, n.Binary, newer) },
		func() {
			if err := os.Remove(n.Binary); err != nil {
				t.Fatal(err)
			}
		},
	} {
		change()
		if v, err := nginx.ReadVersion(t.Context(), nginx.ExePath(n.Master)); err != nil || v.Number != n.Version || v.Setting("--prefix") == "" {
			t.Errorf("got %+v, %v", v, err)
		}
		if got, err := nginx.HashExe(n.Master); err != nil || got != hex.EncodeToString(sum[:]) {
			t.Errorf("got %s, %v", got, err)
		}
	}
	nginxtest.Install(t, n.Binary, newer)
	if v, err := nginx.ReadVersion(t.Context(), n.Binary); err != nil || v.Number != newVersion {
		t.Errorf("the new one: %+v, %v", v, err)
	}
	for _, exe := range [][]byte{data, newer} {
		if err := nginx.CheckELF(bytes.NewReader(exe), int64(len(exe))); err != nil {
			t.Error(err)
		}
	}
}

func TestReadVersionRefuses(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("LEAKED", "1")
	script := func(name, text string) string {
		path := filepath.Join(dir, name)
		writeFile(t, path, "#!/bin/sh\n"+text)
		return path
	}
	for path, want := range map[string]string{
		script("silent", ""):                         "names no version",
		script("other", "echo bash 5.2"):             "names no version",
		script("fails", "echo broken >&2; exit 127"): `exit status 127 (it says "broken")`,
		script("late", "head -c 100000 /dev/zero | tr '\\0' x; echo; echo nginx version: nginx/1.2.3"):        "names no version",
		script("environment", "[ -z \"$LEAKED\" ] || echo nginx version: nginx/1.2.3"):                        "names no version",
		script("arguments", "[ \"$*\" = -V ] && [ \"$PWD\" = / ] || echo nginx version: nginx/1.2.3; exit 1"): "exit status 1",
		filepath.Join(dir, "missing"): "no such file",
		dir:                           "permission denied",
	} {
		got, err := nginx.ReadVersion(t.Context(), path)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "1.2.3") {
			t.Errorf("%s: got %+v, %v", path, got, err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough of it")
	cancel(cause)
	if _, err := nginx.ReadVersion(ctx, script("hangs", "exec sleep 600")); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}

func TestFilesOfRunningMaster(t *testing.T) {
	needTracing(t)
	n := nginxtest.Start(t, traffic.Site{Workers: 1})
	root, err := nginx.OpenRoot(n.Master)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	argv, err := nginx.ReadArgv(n.Master)
	if err != nil {
		t.Fatal(err)
	}
	v, err := nginx.ReadVersion(t.Context(), nginx.ExePath(n.Master))
	if err != nil {
		t.Fatal(err)
	}
	files := nginx.Locate(argv, v, "/")
	if files.Config != n.ConfigPath() {
		t.Errorf("configuration %s", files.Config)
	}
	path, err := files.ConfiguredPID(root)
	if err != nil || path != n.PIDPath() {
		t.Errorf("pid file %s, %v", path, err)
	}
	if pid, err := nginx.ReadPIDFile(root, path); err != nil || pid != n.Master {
		t.Errorf("pid %d, %v", pid, err)
	}
}
