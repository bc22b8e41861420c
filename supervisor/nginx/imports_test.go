package nginx

import (
	"go/build"
	"strings"
	"testing"
)

// This package is mechanism: it observes nginx and signals it. If it knew the
// supervisor, the bus or systemd, a decision could hide in it. And what signals
// other people's processes as root should be readable to the end: the standard
// library and the system calls that it lacks are all it may stand on.
func TestImports(t *testing.T) {
	pkg, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(pkg.Imports) == 0 {
		t.Fatal("no imports were found")
	}
	for _, path := range pkg.Imports {
		first, _, _ := strings.Cut(path, "/")
		if strings.Contains(first, ".") && !strings.HasPrefix(path, "golang.org/x/sys/") {
			t.Errorf("%s imports %s", pkg.Name, path)
		}
		// A package that observes has no business on the network but by the
		// descriptors of others, and none with the journal.
		if path == "net" || path == "net/http" || path == "log/slog" || path == "log" {
			t.Errorf("%s imports %s", pkg.Name, path)
		}
	}
}
