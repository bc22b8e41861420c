package box

import (
	"fmt"
	"os"
	"regexp"
	"testing"
)

var validRelease = regexp.MustCompile(`^[a-z]+$`)

// CheckRelease returns what is wrong with a text that is to be the code name of a
// release of Debian. Whether there is such a release is not looked at.
func CheckRelease(release string) error {
	if !validRelease.MatchString(release) {
		return fmt.Errorf("%q cannot be a release of Debian: use its code name, such as trixie", release)
	}
	return nil
}

// ReleaseVariable names the environment variable with the Debian release that
// tests boot in place of the host's own system.
const ReleaseVariable = "NGINX_HOTSWAP_TEST_RELEASE"

// Base returns the lower directory for a test's machine: the root of the release
// that ReleaseVariable names, or the host's.
func Base(tb testing.TB) string {
	tb.Helper()
	release := os.Getenv(ReleaseVariable)
	if release == "" {
		return "/"
	}
	root, err := Root(tb.Context(), release, os.Stderr)
	if err != nil {
		tb.Fatal(err)
	}
	return root
}
