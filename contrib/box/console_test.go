package box

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestConsoleTail(t *testing.T) {
	t.Parallel()
	var log, all bytes.Buffer
	c := console{log: &log}
	for i := range 2000 {
		fmt.Fprintf(&c, "line %d\r\n", i)
		fmt.Fprintf(&all, "line %d\r\n", i)
	}
	if log.String() != all.String() {
		t.Error("the log is not all")
	}
	if len(c.tail) != consoleTail || !bytes.HasSuffix(all.Bytes(), c.tail) {
		t.Errorf("the tail has %d bytes", len(c.tail))
	}
	text := (&Box{keeper: &keeper{console: c}}).consoleText()
	if !strings.HasSuffix(text, "line 1998\nline 1999") {
		t.Errorf("the text ends %q", text[len(text)-30:])
	}
}
