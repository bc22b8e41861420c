package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// diary is a view that notes what it is told.
type diary struct{ lines []string }

func (d *diary) begin()           { d.lines = append(d.lines, "begin") }
func (d *diary) end()             { d.lines = append(d.lines, "end") }
func (d *diary) resized()         { d.lines = append(d.lines, "resized") }
func (d *diary) keep(text string) { d.lines = append(d.lines, text) }
func (d *diary) show(list []supervisor.Status, _ time.Time) {
	for _, s := range list {
		text := fmt.Sprintf("%s %s", s.Name, s.Phase)
		if s.Cycle != nil {
			text += fmt.Sprintf(", %d steps", len(s.Cycle.Steps))
		}
		d.lines = append(d.lines, text)
	}
}

// told makes a follower of what the returned function says that is.
func told(changes <-chan string, look func() ([]supervisor.Status, error)) (*follower, *diary, *int) {
	d, looks := &diary{}, 0
	record := func(string) (*supervisor.Record, error) {
		steps := append(slices.Clone(draining().Cycle.Steps), supervisor.StepRecord{Phase: supervisor.Retiring})
		return &supervisor.Record{Steps: steps}, nil
	}
	return &follower{view: d, changes: changes, record: record, look: func(context.Context) ([]supervisor.Status, error) {
		looks++
		return look()
	}}, d, &looks
}

func TestFollowIdleIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		f, d, looks := told(make(chan string), func() ([]supervisor.Status, error) { return []supervisor.Status{serving()}, nil })
		if err := f.loop(ctx, nil); err != nil {
			t.Error(err)
		}
		if *looks != 1 {
			t.Errorf("%d looks in a day in which nothing happens", *looks)
		}
		if diff := cmp.Diff([]string{"begin", "nginx idle", "end"}, d.lines); diff != "" {
			t.Error(diff)
		}
	})
}

func TestFollowTicksInACycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+tick/2)
		defer cancel()
		f, _, looks := told(make(chan string), func() ([]supervisor.Status, error) { return []supervisor.Status{draining(), serving()}, nil })
		if err := f.loop(ctx, nil); err != nil {
			t.Error(err)
		}
		if *looks != 11 {
			t.Errorf("%d looks in 10 s, not 11", *looks)
		}
	})
}

func TestFollowCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changes := make(chan string)
		now := serving()
		f, d, looks := told(changes, func() ([]supervisor.Status, error) { return []supervisor.Status{now}, nil })
		ended := make(chan error)
		go func() { ended <- f.loop(t.Context(), nil) }()
		half := finished(draining(), supervisor.Upgraded, "")
		half.Cycle = draining().Cycle // the record is there, and the cycle is still told of
		for _, s := range []supervisor.Status{draining(), half, finished(draining(), supervisor.Upgraded, "")} {
			synctest.Wait()
			now = s
			changes <- s.Name // changes that come together are one look
			changes <- s.Name
			time.Sleep(2 * together)
		}
		synctest.Wait()
		close(changes)
		if err := <-ended; !errors.Is(err, errDaemonGone) {
			t.Errorf("the daemon is gone, and it says %v", err)
		}
		want := []string{"begin", "nginx idle", "nginx draining, 6 steps", "nginx idle, 6 steps", "nginx idle, 7 steps",
			clockText(noon, time.Now()) + " nginx: upgraded 1.26.3 to 1.28.0 in 20.0s", "nginx idle", "end"}
		if diff := cmp.Diff(want, d.lines); diff != "" {
			t.Error(diff)
		}
		if *looks != 4 {
			t.Errorf("%d looks for three changes", *looks)
		}
	})
}

// TestFollowForAnAnswer is `upgrade`: cycles alone are shown, and the end of one
// is the last picture of it.
func TestFollowForAnAnswer(t *testing.T) {
	f, d, _ := told(nil, nil)
	f.unfinished = true
	for _, list := range [][]supervisor.Status{
		{serving(), under("blog", serving())},
		{draining(), under("blog", serving())},
		{finished(draining(), supervisor.Upgraded, ""), under("blog", serving())},
		{finished(draining(), supervisor.Upgraded, ""), under("blog", serving())},
	} {
		f.show(list, noon)
	}
	if diff := cmp.Diff([]string{"nginx draining, 6 steps", "nginx idle, 7 steps", "nginx idle, 7 steps"}, d.lines); diff != "" {
		t.Error(diff)
	}
	if s := f.before; len(s) != 1 || s[0].Cycle == nil {
		t.Errorf("what was seen of the cycle is forgotten: %v", s)
	}
}

func TestFollowNoAnswer(t *testing.T) {
	dumb := errors.New("it does not answer")
	gone := make(chan string)
	close(gone)
	for _, test := range []struct {
		name    string
		changes chan string
		want    error
	}{{"there", make(chan string), dumb}, {"gone", gone, errDaemonGone}} {
		t.Run(test.name, func(t *testing.T) {
			f, _, _ := told(test.changes, func() ([]supervisor.Status, error) { return nil, dumb })
			if err := f.loop(t.Context(), nil); !errors.Is(err, test.want) {
				t.Errorf("got %v, not %v", err, test.want)
			}
		})
	}
}

// finished is an instance after its cycle.
func finished(s supervisor.Status, result supervisor.Result, reason string) supervisor.Status {
	s.Last = &supervisor.LastStatus{ID: s.Cycle.ID, Result: result, Reason: reason, Finished: &noon}
	s.Cycle, s.Phase = nil, supervisor.Idle
	return s
}

func TestEndings(t *testing.T) {
	after := func(id string, r supervisor.Result, reason string) supervisor.Status {
		s := serving()
		s.Last = &supervisor.LastStatus{ID: id, Result: r, Reason: reason, Finished: &noon}
		return s
	}
	for _, test := range []struct {
		name          string
		before, after supervisor.Status
		want          []string
	}{
		{"nothing happened", serving(), serving(), nil},
		{"it runs", serving(), draining(), nil},
		{"another instance", under("blog", serving()), after("other", supervisor.Upgraded, ""), nil},
		{"upgraded", draining(), finished(draining(), supervisor.Upgraded, ""), []string{"12:00:00 nginx: upgraded 1.26.3 to 1.28.0 in 20.0s"}},
		{"adopted", draining(), finished(draining(), supervisor.Adopted, ""), []string{"12:00:00 nginx: adopted 1.26.3 to 1.28.0 in 20.0s"}},
		{"rolled back", goingBack(), finished(goingBack(), supervisor.RolledBack, "it crashed"),
			[]string{"12:00:00 nginx: rolled back from 1.28.0 to 1.26.3 after 20.0s: it crashed"}},
		{"stuck", goingBack(), finished(goingBack(), supervisor.Stuck, "HUP was lost"),
			[]string{"12:00:00 nginx: stuck on the way from 1.26.3 to 1.28.0 after 20.0s: HUP was lost"}},
		{"too fast to be seen", serving(), after("other", supervisor.Rejected, "it is no ELF"), []string{"12:00:00 nginx: rejected: it is no ELF"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := endings([]supervisor.Status{test.before}, []supervisor.Status{test.after}, noon)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
