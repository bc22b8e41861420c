package box

import (
	"errors"
	"io"
	"os"
	"strings"
)

// consoleTail is how many bytes of the console an error quotes.
const consoleTail = 4 << 10

// consolePrefix and the name of a detached machine are the path of its console.
// There is no directory of them all: whoever removed it with the last of them
// would take it from the next one that comes.
const consolePrefix = "/run/nginx-hotswap-box-"

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
func createConsole(name string) (*os.File, error) { return os.Create(consolePath(name)) }

func consolePath(name string) string { return consolePrefix + name + ".console" }

// removeConsole removes the console file of the machine name, if it has one.
func removeConsole(name string) error {
	if err := os.Remove(consolePath(name)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
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
