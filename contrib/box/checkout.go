package box

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Checkout is the project's directory: that of go.mod above the current one. It is
// an error to be elsewhere.
func Checkout() (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return dir, err
		}
		if dir == "/" {
			return "", errors.New(here + " is in no checkout of the project")
		}
	}
}
