package systemd

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWaitMainPID(t *testing.T) {
	for _, c := range []struct {
		name    string
		moves   time.Duration // when systemd follows; never if negative
		want    time.Duration // when we know
		wantErr string
	}{
		{"at once", 0, 0, ""},
		{"soon, looked at each millisecond", 42500 * time.Microsecond, 43 * time.Millisecond, ""},
		{"late, looked at every five", 201 * time.Millisecond, 205 * time.Millisecond, ""},
		{"never", -1, time.Second, "MainPID of nginx.service is 7, not 8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := waitMainPID(ctx, "nginx.service", 8, func(ctx context.Context) (int, error) {
					if c.moves >= 0 && time.Since(start) >= c.moves {
						return 8, nil
					}
					return 7, ctx.Err()
				})
				if got := time.Since(start); got != c.want {
					t.Errorf("after %v, want %v", got, c.want)
				}
				checkError(t, err, c.wantErr)
				if c.wantErr != "" && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v does not wrap the cause", err)
				}
			})
		})
	}
}

func TestWaitMainPIDUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		broken := errors.New("no systemd")
		err := waitMainPID(ctx, "nginx.service", 8, func(context.Context) (int, error) { return 0, broken })
		if !errors.Is(err, broken) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("unexpected error: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error %v, want one that says %q", err, want)
	}
}
