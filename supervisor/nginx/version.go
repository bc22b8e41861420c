package nginx

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Version is what a binary says of itself with -V.
type Version struct {
	Name      string   // nginx, openresty, Tengine, Angie, freenginx
	Number    string   // 1.22.1
	Configure []string // the arguments of ./configure
}

func (v Version) String() string { return v.Number }

// Setting returns the value of a configure argument such as --conf-path.
func (v Version) Setting(name string) string {
	for _, arg := range v.Configure {
		if value, ok := strings.CutPrefix(arg, name+"="); ok {
			return strings.Trim(value, `'"`)
		}
	}
	return ""
}

// OlderThan reports whether it is a version of nginx before the given one. Builds
// that count otherwise than nginx are never older; OpenResty counts as nginx does.
func (v Version) OlderThan(number ...int) bool {
	if v.Name != "nginx" && v.Name != "openresty" {
		return false
	}
	var own []int
	for part := range strings.SplitSeq(v.Number, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return false
		}
		own = append(own, n)
	}
	return slices.Compare(own, number) < 0
}

const (
	versionTimeout = 10 * time.Second
	versionOutput  = 64 << 10 // bytes; Debian's is 1 KiB
)

// ReadVersion runs a binary with -V. The environment is empty, as after USR2.
// The path may be /proc/PID/exe, which leads to the binary of a running master
// even when it was replaced or removed.
func ReadVersion(ctx context.Context, path string) (Version, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, versionTimeout, fmt.Errorf("no answer within %v", versionTimeout))
	defer cancel()
	out := limitedBuffer{limit: versionOutput}
	cmd := exec.CommandContext(ctx, path, "-V")
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return Version{}, fmt.Errorf("cannot run %s -V: %w%s", path, err, out.excerpt())
	}
	return ParseVersion(out.data)
}

// versionLine is for `nginx version: openresty/1.25.3.1` and the like.
var versionLine = regexp.MustCompile(`(?mi)^[a-z]+ version: [^\r\n]*?([^\s/]+)/(\d+(?:\.\d+)+)`)

// ParseVersion reads the output of -V. Builds that are derived from nginx name
// themselves first and what they are based on afterwards.
func ParseVersion(out []byte) (Version, error) {
	m := versionLine.FindSubmatch(out)
	if m == nil {
		return Version{}, errors.New("-V names no version: this is not nginx")
	}
	v := Version{Name: string(m[1]), Number: string(m[2])}
	for line := range strings.Lines(string(out)) {
		if args, ok := strings.CutPrefix(line, "configure arguments:"); ok {
			v.Configure = splitQuoted(strings.TrimSpace(args))
		}
	}
	return v, nil
}

// splitQuoted cuts at spaces outside single quotes, as configure prints them.
func splitQuoted(s string) []string {
	quoted := false
	return strings.FieldsFunc(s, func(r rune) bool {
		if r == '\'' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
}

// limitedBuffer keeps the beginning of what is written to it.
type limitedBuffer struct {
	data  []byte
	limit int
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	b.data = append(b.data, p[:min(len(p), b.limit-len(b.data))]...)
	return len(p), nil
}

func (b *limitedBuffer) excerpt() string {
	if line, _, _ := strings.Cut(strings.TrimSpace(string(b.data)), "\n"); line != "" {
		return fmt.Sprintf(" (it says %.200q)", line)
	}
	return ""
}

// HashFile returns the SHA-256 of a file's contents in hexadecimal.
func HashFile(f io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// HashExe returns the SHA-256 of the binary that a process runs, also when the
// file was replaced or removed. It needs the right to trace the process.
func HashExe(pid int) (string, error) {
	f, err := os.Open(ExePath(pid))
	if err != nil {
		return "", err
	}
	defer f.Close()
	return HashFile(f)
}

// ExePath leads to the binary that a process runs.
func ExePath(pid int) string { return procPath(pid, "exe") }
