package box

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"testing"
)

// nginxPath is where the packages of Debian and nginx.org have it.
const nginxPath = "/usr/sbin/nginx"

var nginxVersion = regexp.MustCompile(`nginx version: \S+/(\S+)`)

// NewerNginx writes a build of nginx as dst in the machine (by rename, as a package
// manager would) that differs from the machine's own /usr/sbin/nginx in the version
// alone: in -V, in the Server header and so in the hash. It loads the same dynamic
// modules, whose check is for the number nginx_version and the signature
// (ngx_load_module), which stay. The version must be as long as the old one, for
// example "1.22.9" for 1.22.1.
func (b *Box) NewerNginx(tb testing.TB, dst, version string) {
	tb.Helper()
	says := b.Run(tb, nginxPath+" -v 2>&1")
	match := nginxVersion.FindStringSubmatch(says)
	if match == nil {
		tb.Fatalf("cannot find the version in %q", says)
	}
	build, err := os.ReadFile(b.Path(nginxPath))
	if err != nil {
		tb.Fatal(err)
	}
	patched, err := PatchVersion(build, match[1], version)
	if err != nil {
		tb.Fatal(err)
	}
	if err := b.WriteFile(dst, patched, 0o755); err != nil {
		tb.Fatal(err)
	}
}

// PatchVersion returns a copy of a program in which the version from reads to,
// wherever it is not a part of a longer number. Nothing moves: both must have the
// same length. A program without it is an error.
func PatchVersion(in []byte, from, to string) ([]byte, error) {
	if from == "" || len(from) != len(to) {
		return nil, fmt.Errorf("cannot change version %q to %q in place: not of the same length", from, to)
	}
	out, found := bytes.Clone(in), false
	for at := 0; ; at += len(from) {
		next := bytes.Index(in[at:], []byte(from))
		if next < 0 {
			break
		}
		at += next
		if !inNumber(in, at-1) && !inNumber(in, at+len(from)) {
			copy(out[at:], to)
			found = true
		}
	}
	if !found {
		return nil, fmt.Errorf("cannot change version %q to %q: it is not there", from, to)
	}
	return out, nil
}

// inNumber says whether the byte at i, if there is one, continues a version.
func inNumber(in []byte, i int) bool {
	return i >= 0 && i < len(in) && (in[i] == '.' || '0' <= in[i] && in[i] <= '9')
}
