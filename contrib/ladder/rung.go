package ladder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// Releases are the rungs from below, nginx 1.18, 1.22, 1.26 and 1.30.
var Releases = []string{"bullseye", "bookworm", "trixie", "forky"}

// Rung is the nginx of a release in a machine.
type Rung struct {
	Release string
	Version string // 1.22.1
	Path    string // of the binary in the machine, to be copied from
}

// Short is the version's branch: 1.22.
func (r Rung) Short() string {
	if i := strings.LastIndex(r.Version, "."); i > 0 {
		return r.Version[:i]
	}
	return r.Version
}

// InBox puts the nginx of a release into a machine, beside the machine's own.
func InBox(tb testing.TB, b *box.Box, release string) Rung {
	tb.Helper()
	root, err := box.Root(tb.Context(), release, os.Stderr)
	if err != nil {
		tb.Fatal(err)
	}
	at := "/opt/ladder/" + release
	dir := tb.TempDir()
	Build(tb, root, dir, at)
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return b.CopyIn(path, at+strings.TrimPrefix(path, dir))
	}); err != nil {
		tb.Fatal(err)
	}
	r := Rung{Release: release, Path: at + "/nginx"}
	version, err := nginx.ParseVersion([]byte(b.Run(tb, r.Path+" -V 2>&1")))
	if err != nil {
		tb.Fatal(err)
	}
	r.Version = version.Number
	return r
}
