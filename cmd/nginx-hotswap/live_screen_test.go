package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// TestScreenScrolls draws at the lower edge of a terminal: what was there before
// and what is to stay scrolls out in one piece, and so does no picture but the
// last.
func TestScreenScrolls(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range 23 {
		fmt.Fprintf(w, "before %d\n", i)
	}
	s := newScreen(&terminal{file: w}) // a pipe does not tell its size: 80x24
	s.begin()
	s.show([]supervisor.Status{serving()}, noon)
	s.keep("a line that stays")
	s.show([]supervisor.Status{draining(), under("blog", goingBack())}, noon)
	s.show([]supervisor.Status{draining()}, noon)
	s.keep("a line that stays, too, although it is longer than what fits beside one another in a terminal")
	s.show([]supervisor.Status{serving(), waiting()}, noon)
	s.end()
	w.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	v := newVT(80, 24)
	v.write(bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))) // as the terminal driver does
	if v.err != nil || v.hidden || v.noMargin {
		t.Errorf("%v, cursor hidden %v, no margin %v", v.err, v.hidden, v.noMargin)
	}
	golden(t, "screen-scrolls", v.all())
}

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		text  string
		width int
		want  string
	}{
		{"", 5, `[""]`},
		{"one two three", 0, `["one two three"]`},
		{"one two three", 7, `["one two" "three"]`},
		{"one  two", 3, `["one" "two"]`},
		{"longword", 3, `["lon" "gwo" "rd"]`},
		{"…├─ ok", 4, `["…├─" "ok"]`},
		{"日本語", 4, `["日本" "語"]`},
		{"日本", 1, `["日" "本"]`}, // what does not fit is not dropped
		{"é é", 3, `["é é"]`},
	} {
		if got := fmt.Sprintf("%q", wrap(test.text, test.width)); got != test.want {
			t.Errorf("%q in %d: got %s, not %s", test.text, test.width, got, test.want)
		}
	}
}
