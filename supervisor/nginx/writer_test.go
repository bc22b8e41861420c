package nginx_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

func TestBeingWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nginx")
	writer, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	reader, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	expect := func(want bool) {
		t.Helper()
		if got, err := nginx.BeingWritten(reader); got != want || err != nil {
			t.Errorf("got %v, %v", got, err)
		}
	}
	expect(true)
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	expect(false)
	other, err := os.Open(path) // a second reader is no writer
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	expect(false)
	appender, err := os.OpenFile(path, os.O_APPEND|os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	expect(true)
	if err := appender.Close(); err != nil {
		t.Fatal(err)
	}
	expect(false)
}

func TestBeingWrittenWhileRunning(t *testing.T) {
	n := nginxtest.Start(t, traffic.Site{Workers: 1})
	for _, path := range []string{n.Binary, n.Dir} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got, err := nginx.BeingWritten(f); got || err != nil {
			t.Errorf("%s: got %v, %v", path, got, err)
		}
	}
}

// Whoever opens the file for writing at the very moment of the question breaks
// the lease, of which the kernel tells its holder by SIGIO. By default that ends
// a process; it must not end us.
func TestBeingWrittenAtTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nginx")
	writeFile(t, path, "x")
	reader, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	fd := reader.Fd()
	if _, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_RDLCK); err != nil {
		t.Skipf("this file system knows no leases: %v", err)
	}
	if f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("the lease was not broken: %v, %v", f, err)
	}
	if _, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK); err != nil {
		t.Fatal(err)
	}
	if got, err := nginx.BeingWritten(reader); got || err != nil {
		t.Errorf("afterwards: got %v, %v", got, err)
	}
}
