package watch

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWriting(t *testing.T) {
	needLeases(t)
	file := filepath.Join(realDir(t), "nginx")
	write(t, file, "text")
	link := file + ".link"
	if err := os.Symlink("nginx", link); err != nil {
		t.Fatal(err)
	}
	check := func(when string, want bool) {
		t.Helper()
		for _, path := range []string{file, link} {
			if got, err := writingAt(path); err != nil || got != want {
				t.Errorf("%s: writing(%s) = %v, %v, want %v", when, filepath.Base(path), got, err, want)
			}
		}
	}
	check("idle", false)

	r, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	check("open for reading", false)

	w, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	check("open for writing", true)
	_ = w.Close()
	check("closed", false)
}

// A lease that is left behind would make the next writer wait for /proc/sys/fs/lease-break-time.
func TestWritingLeavesNoLease(t *testing.T) {
	needLeases(t)
	file := filepath.Join(t.TempDir(), "nginx")
	write(t, file, "text")
	if _, err := writingAt(file); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(file, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("cannot open for writing afterwards: %v", err)
	}
	_ = unix.Close(fd)
}

func TestWritingOfARunningBinary(t *testing.T) {
	needLeases(t)
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		skip(t, "needs sleep")
	}
	cmd := exec.Command(sleep, "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if got, err := writingAt(sleep); got || (err != nil && !errors.Is(err, errUnknown)) {
		t.Errorf("writing = %v, %v, want false", got, err)
	}
}

// Opening a fifo for reading would release whoever waits to write to it, and opening devices has effects of all kinds.
func TestWritingOpensOnlyRegularFiles(t *testing.T) {
	dir := realDir(t)
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, dir, "/dev/null"} {
		if got, err := writingAt(path); got || err != nil {
			t.Errorf("writing(%s) = %v, %v, want false", path, got, err)
		}
	}
	if fd, err := unix.Open(fifo, unix.O_WRONLY|unix.O_NONBLOCK, 0); !errors.Is(err, unix.ENXIO) {
		_ = unix.Close(fd)
		t.Errorf("the fifo has a reader: %v", err)
	}
}

func TestWritingOfAMissingFile(t *testing.T) {
	if _, err := writing(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file gives %v, want ErrNotExist", err)
	}
}

// Someone else's file and no CAP_LEASE stands for all the cases in which the kernel does not tell.
func TestWritingUnknown(t *testing.T) {
	file := "/proc/version" // root's
	if os.Geteuid() == 0 {
		file = filepath.Join(t.TempDir(), "nginx")
		write(t, file, "")
		if err := os.Chown(file, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	var got bool
	var err error
	var thread sync.WaitGroup
	thread.Go(func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine, and what it lacks with it
		if err = dropCapability(unix.CAP_LEASE); err == nil {
			got, err = writingAt(file)
		}
	})
	thread.Wait()
	if got || !errors.Is(err, errUnknown) {
		t.Errorf("writing = %v, %v, want errUnknown", got, err)
	}
}

// dropCapability takes one of the first 32 capabilities from the effective set of the calling thread.
func dropCapability(number int) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1 << number
	return unix.Capset(&header, &data[0])
}
