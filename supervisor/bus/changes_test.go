package bus

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// next is the next name, and fails the test when none comes.
func next(t *testing.T, names <-chan string) string {
	t.Helper()
	select {
	case name, ok := <-names:
		if !ok {
			t.Fatal("the channel is closed")
		}
		return name
	case <-time.After(10 * time.Second):
		t.Fatal("nothing is told")
	}
	return ""
}

func TestChanges(t *testing.T) {
	d := serve(t, nil, "nginx", "nginx@blog")
	c := d.dial(t)
	ctx, cancel := context.WithCancel(t.Context())
	names, err := c.Changes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i, how := range []string{"garbage", "1234567"} {
		s := d.list()[i]
		disturb(t, s, how)
		for next(t, names) != s.Name() {
		}
	}
	// One that comes is known to a client that was connected before.
	d.change(func(all []*supervisor.Supervisor) []*supervisor.Supervisor {
		return append(all, newInstance(t, "late", nil))
	})
	for next(t, names) != "late" {
	}
	if st, err := c.Status(t.Context(), "late"); err != nil || st.Name != "late" {
		t.Errorf("got %+v, %v", st, err)
	}
	d.change(func(all []*supervisor.Supervisor) []*supervisor.Supervisor { return all[:2] })
	for next(t, names) != "late" {
	}
	if st, err := c.Status(t.Context(), "late"); err == nil {
		t.Errorf("one that is gone has the status %+v", st)
	}
	cancel()
	for range names { // it is closed
	}
	again, err := c.Changes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.stop()
	for range again {
	}
}

// TestChangesOfASlowReader holds what was not taken, each name once.
func TestChangesOfASlowReader(t *testing.T) {
	d := serve(t, nil, "nginx", "other")
	names, err := d.dial(t).Changes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	watcher, err := d.dial(t).Changes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"a", "1234567", "b", "7654321"} {
		for _, s := range d.list() {
			disturb(t, s, how)
			for next(t, watcher) != s.Name() {
			}
		}
	}
	got := []string{next(t, names), next(t, names)}
	slices.Sort(got)
	if !slices.Equal(got, []string{"nginx", "other"}) {
		t.Errorf("got %v", got)
	}
}
