package nginxtest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"
)

// Unable skips the test, or fails it in CI, where everything must be there.
func Unable(tb testing.TB, why string) {
	tb.Helper()
	if os.Getenv("CI") != "" {
		tb.Fatal(why)
	}
	tb.Skip(why)
}

// Eventually waits until the condition holds.
func Eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			tb.Fatalf("%s: it did not happen", what)
		case <-time.After(time.Millisecond):
		}
	}
}

// Exists reports whether there is a file.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
