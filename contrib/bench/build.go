package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/badnginx"
)

// badBuild makes a build of the machine's nginx that goes wrong in a way, after a while
// where the kind takes one.
func (m *machine) badBuild(ctx context.Context, kind badnginx.Kind, after time.Duration) ([]byte, error) {
	running, err := m.run(ctx, nginxPath+" -v 2>&1")
	if err != nil {
		return nil, err
	}
	digit := byte('9')
	if strings.HasSuffix(running, "9") {
		digit = '8'
	}
	path := "/root/nginx-" + string(kind)
	if err := asTest(ctx, m.dir, func(tb testing.TB) { badnginx.InBox(tb, m.Box, path, kind, digit, after) }); err != nil {
		return nil, fmt.Errorf("cannot make the build %s: %w", kind, err)
	}
	return os.ReadFile(m.Path(path))
}

// land puts a build in nginx's place by rename. What is appended is no part of the
// program: it makes another file of it, which nobody has tried and condemned yet.
func (m *machine) land(build []byte) error {
	m.landed++
	return m.WriteFile(nginxPath, fmt.Appendf(build[:len(build):len(build)], "copy %d", m.landed), 0o755)
}
