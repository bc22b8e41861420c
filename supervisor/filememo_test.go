package supervisor

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Those who ask for one file at the same time wait for one answer; one that hangs
// is waited for by nobody else.
func TestFileMemo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var m fileMemo[int]
		found := 0
		slow := func() (int, error) {
			time.Sleep(10 * time.Second)
			found++
			return 7, nil
		}
		for range 3 {
			go func() {
				if got, err := m.of(fileKey{ino: 1}, slow); got != 7 || err != nil {
					t.Errorf("got %d, %v", got, err)
				}
			}()
		}
		synctest.Wait()
		began := time.Now()
		failed := errors.New("no version")
		if _, err := m.of(fileKey{ino: 2}, func() (int, error) { return 0, failed }); err != failed {
			t.Errorf("got %v", err)
		}
		if got, err := m.of(fileKey{ino: 2}, func() (int, error) { return 3, nil }); got != 3 || err != nil {
			t.Errorf("what failed is not tried again: %d, %v", got, err)
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("it waited %v for another file", waited)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if found != 1 {
			t.Errorf("it was found out %d times", found)
		}
	})
}
