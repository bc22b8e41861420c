package box

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// consoleTail is how many bytes of the console an error quotes.
const consoleTail = 4 << 10

// stateDir has one directory per detached machine, with the console in it.
const stateDir = "/run/nginx-hotswap-box"

// console passes on what a machine prints and keeps the end of it. It is written
// by one goroutine, and read only after that has ended.
type console struct {
	log  io.Writer
	tail []byte
}

func (c *console) Write(p []byte) (int, error) {
	c.tail = append(c.tail, p...)
	if n := len(c.tail) - consoleTail; n > 0 {
		c.tail = append(c.tail[:0], c.tail[n:]...)
	}
	if c.log == nil {
		return len(p), nil
	}
	return c.log.Write(p)
}

// createConsole makes the console file of the detached machine name.
func createConsole(name string) (*os.File, error) {
	path := consolePath(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return os.Create(path)
}

func consolePath(name string) string { return filepath.Join(stateDir, name, "console") }

// removeConsole removes the console file of the machine name, if it has one, and
// the directory of all of them with the last one.
func removeConsole(name string) error {
	err := os.RemoveAll(filepath.Dir(consolePath(name)))
	// Not empty: others are up.
	_ = os.Remove(stateDir)
	return err
}

// consoleText returns the last that the machine has printed, for an error or a
// log. Call it when the keeper has ended.
func (b *Box) consoleText() string {
	tail := b.keeper.console.tail
	if b.detached {
		all, err := os.ReadFile(consolePath(b.name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err.Error()
		}
		tail = all[max(0, len(all)-consoleTail):]
	}
	return strings.TrimSpace(strings.ReplaceAll(string(tail), "\r\n", "\n"))
}
