package watch

import (
	"flag"
	"os"
	"os/exec"
	"testing"
)

// TestMain lets the stories run side by side whatever the number of processors: nearly all of their time is waiting.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("16")
	}
	os.Exit(m.Run())
}

// lacking returns what is missing of the named programs, or "" if nothing is. The name root stands for being it.
func lacking(names ...string) string {
	for _, name := range names {
		if name == "root" {
			if os.Geteuid() != 0 {
				return "needs root"
			}
			continue
		}
		if _, err := exec.LookPath(name); err != nil {
			return "needs " + name
		}
	}
	return ""
}

// inCI reports whether a test that cannot run is a failure.
func inCI() bool { return os.Getenv("CI") != "" }
