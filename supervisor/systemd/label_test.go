package systemd

import (
	"strings"
	"testing"
)

func TestLabel(t *testing.T) {
	for text, want := range map[string]string{
		"": "_", "_": "_5f", "a_b": "a_5fb", "a_2db": "a_5f2db", "a-b": "a_2db", "0": "_30", "a0": "a0", "ä": "_c3_a4", "\x01": "_01", "a_": "a_5f",
	} {
		if got := EscapeLabel(text); got != want {
			t.Errorf("EscapeLabel(%q) = %q, want %q", text, got, want)
		}
		if back, ok := UnescapeLabel(want); !ok || back != text {
			t.Errorf("UnescapeLabel(%q) = %q, %v, want %q", want, back, ok, text)
		}
	}
	for _, label := range []string{"", "__", "a_", "a_2", "a_2D", "_zz", "_61", "0", "a-b", "a/b", "_+1", strings.Repeat("_", 3)} {
		if text, ok := UnescapeLabel(label); ok {
			t.Errorf("UnescapeLabel(%q) = %q", label, text)
		}
	}
}
