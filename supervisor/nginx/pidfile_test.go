package nginx

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParsePID(t *testing.T) {
	for text, want := range map[string]int{
		"1\n": 1, "4711": 4711, " 4711 \n\n": 4711, "\t4711\r\n": 4711, "004711\n": 4711, "4194303\n": 1<<22 - 1,
	} {
		if got, err := ParsePID([]byte(text)); got != want || err != nil {
			t.Errorf("%q: got %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "\n", " \t\r\n"} {
		if _, err := ParsePID([]byte(text)); !errors.Is(err, ErrEmptyPIDFile) {
			t.Errorf("%q: got %v", text, err)
		}
	}
	for _, text := range []string{"0", "-1", "+1", "1 2", "1\n2", "1;", "1.0", "1e3", "0x1", "1_000", "4194304", "4294967297",
		"18446744073709551617", strings.Repeat("9", 64), "nginx", "\x00", "1\x00", "\xff", "\u0661"} {
		if got, err := ParsePID([]byte(text)); err == nil || errors.Is(err, ErrEmptyPIDFile) {
			t.Errorf("%q: got %d, %v", text, got, err)
		}
	}
}

func TestReadPIDFile(t *testing.T) {
	dir := t.TempDir()
	root, err := openRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("good", "4711\n")
	write("empty", "")
	write("huge", strings.Repeat("1", 1<<20))
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if pid, err := ReadPIDFile(root, "/good"); pid != 4711 || err != nil {
		t.Errorf("got %d, %v", pid, err)
	}
	// Somebody could write to the FIFO and does not: that must not block us.
	writer, err := os.OpenFile(filepath.Join(dir, "fifo"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	for name, want := range map[string]error{"/missing": os.ErrNotExist, "/empty": ErrEmptyPIDFile, "/fifo": ErrNotRegular} {
		if _, err := ReadPIDFile(root, name); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	for _, name := range []string{"/huge", "/"} {
		if pid, err := ReadPIDFile(root, name); err == nil {
			t.Errorf("%s: got %d", name, pid)
		}
	}
}
