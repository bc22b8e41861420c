package supervisor_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

func TestTransactionRuns(t *testing.T) {
	for name, tt := range map[string]struct {
		ask  int16
		held []int16
		want bool
	}{
		"dpkg, nobody":             {unix.F_WRLCK, nil, false},
		"dpkg, a transaction":      {unix.F_WRLCK, []int16{unix.F_WRLCK}, true},
		"dpkg, a reader":           {unix.F_WRLCK, []int16{unix.F_RDLCK}, true},
		"rpm, nobody":              {unix.F_RDLCK, nil, false},
		"rpm, a transaction":       {unix.F_RDLCK, []int16{unix.F_WRLCK}, true},
		"rpm, a query":             {unix.F_RDLCK, []int16{unix.F_RDLCK}, false},
		"rpm, two queries at once": {unix.F_RDLCK, []int16{unix.F_RDLCK, unix.F_RDLCK}, false},
	} {
		t.Run(name, func(t *testing.T) {
			path := emptyFile(t)
			locks := []supervisor.PackageLock{{Path: filepath.Join(filepath.Dir(path), "none"), Kind: tt.ask}, {Path: path, Kind: tt.ask}}
			var releases []func()
			for _, kind := range tt.held {
				releases = append(releases, lockFile(t, path, kind))
			}
			want := ""
			if tt.want {
				want = path
			}
			for range 2 { // asking takes nothing
				if got, err := supervisor.TransactionRuns(locks); got != want || err != nil {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
			}
			for _, release := range releases {
				release()
			}
			if got, err := supervisor.TransactionRuns(locks); got != "" || err != nil {
				t.Errorf("after the end: got %q, %v", got, err)
			}
		})
	}
}

// TestTransactionRunsNeverLocks makes sure that a package manager can begin
// right after we have asked.
func TestTransactionRunsNeverLocks(t *testing.T) {
	path := emptyFile(t)
	for _, kind := range []int16{unix.F_WRLCK, unix.F_RDLCK} {
		if got, err := supervisor.TransactionRuns([]supervisor.PackageLock{{Path: path, Kind: kind}}); got != "" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		lockFile(t, path, unix.F_WRLCK)() // fails if it must wait
	}
}

func TestTransactionRunsWithoutPackageManager(t *testing.T) {
	dir := t.TempDir()
	locks := []supervisor.PackageLock{{Path: filepath.Join(dir, "none"), Kind: unix.F_WRLCK}, {Path: filepath.Join(dir, "no", "dir"), Kind: unix.F_RDLCK}}
	if got, err := supervisor.TransactionRuns(locks); got != "" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := supervisor.TransactionRuns(nil); got != "" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	file := filepath.Join(emptyFile(t), "below-a-file")
	if got, err := supervisor.TransactionRuns([]supervisor.PackageLock{{Path: file, Kind: unix.F_WRLCK}}); got != "" || err == nil {
		t.Errorf("what cannot be asked is free: %q, %v", got, err)
	}
}

func emptyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(path, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPackageLockHolder(t *testing.T) {
	lock := supervisor.PackageLock{Path: emptyFile(t), Kind: unix.F_WRLCK}
	if pid, err := lock.Holder(); pid != 0 || err != nil {
		t.Errorf("nobody holds it: got %d, %v", pid, err)
	}
	release := lockFile(t, lock.Path, unix.F_WRLCK)
	pid, err := lock.Holder()
	if err != nil {
		t.Fatal(err)
	}
	// The holder is a child of this process.
	stat, err := nginx.ReadStat(pid)
	if err != nil || stat.PPID != os.Getpid() {
		t.Errorf("%d holds it, a child of %d: %v", pid, stat.PPID, err)
	}
	release()
	if pid, err := (supervisor.PackageLock{Path: filepath.Join(t.TempDir(), "none")}).Holder(); pid != 0 || err != nil {
		t.Errorf("no file: got %d, %v", pid, err)
	}
}
