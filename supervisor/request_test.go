package supervisor_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

func TestRequestsJoinTheCycle(t *testing.T) {
	n := start(t, traffic.Site{})
	c := quick()
	c.Upgrade.ConfirmManual = true
	r := run(t, n, newStore(t), c)
	r.upToDate(t)
	nginxtest.Install(t, n.Binary, newer(t, n))
	answers := []<-chan supervisor.Outcome{r.ask(t, request(supervisor.WaitDone)), r.ask(t, request(supervisor.WaitDone)), r.ask(t, request(supervisor.WaitVerdict))}
	r.waitFor(t, "it drains", func(st supervisor.Status) bool { return st.Phase == supervisor.Draining })
	r.heard(t)
	r.confirm(t)
	cycle := ""
	for _, answer := range answers {
		out := <-answer
		if out.Code != supervisor.ExitOK || out.Result != supervisor.Upgraded || out.Cycle == "" || cycle != "" && out.Cycle != cycle {
			t.Errorf("got %+v, others were of cycle %q", out, cycle)
		}
		cycle = out.Cycle
	}
	if got := history(t, r.store); len(got) != 1 || got[0].ID != cycle {
		t.Errorf("records: %+v", got)
	}
}

// heard returns when what was asked before has reached the cycle that runs.
func (r *running) heard(t *testing.T) {
	t.Helper()
	for range 20 {
		r.dryRun(t)
	}
}

func (r *running) confirm(t *testing.T) {
	t.Helper()
	q := request(supervisor.WaitDone)
	q.Action = supervisor.ActionConfirm
	if out, err := r.Do(t.Context(), q); err != nil || out.Code != supervisor.ExitOK {
		t.Errorf("confirmed: %+v, %v", out, err)
	}
}

// TestVerdictBeforeDone asks for both answers, and looks at the status between
// them, when two masters are there.
func TestVerdictBeforeDone(t *testing.T) {
	n := start(t, traffic.Site{})
	old := processes(t, n.Master)
	c := quick()
	c.Upgrade.ConfirmManual = true
	r := run(t, n, newStore(t), c)
	r.upToDate(t)
	data, version := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	done := r.ask(t, request(supervisor.WaitDone))
	verdict := <-r.ask(t, request(supervisor.WaitVerdict))
	if verdict.Code != supervisor.ExitOK || verdict.Result != supervisor.Upgraded {
		t.Errorf("the verdict is %+v", verdict)
	}
	select {
	case out := <-done:
		t.Fatalf("done together with the verdict: %+v", out)
	default:
	}
	if got := history(t, r.store); len(got) != 0 {
		t.Errorf("finished already: %+v", got)
	}
	r.waitFor(t, "it drains", func(st supervisor.Status) bool { return st.Phase == supervisor.Draining })
	st := r.Status()
	if len(st.Masters) != 2 || st.Masters[0].Role != "old" || st.Masters[0].PID != n.Master || st.Masters[0].Version != n.Version ||
		st.Masters[1].Role != "successor" || st.Masters[1].PID != n.PID(t) || st.Masters[1].Version != version ||
		len(st.Masters[1].Workers) != len(old.Children) {
		t.Errorf("masters while draining: %+v", st.Masters)
	}
	// Whoever asks now is told what is known already.
	if out := <-r.ask(t, request(supervisor.WaitVerdict)); out.Code != supervisor.ExitOK || out.Cycle != verdict.Cycle {
		t.Errorf("after the verdict: %+v", out)
	}
	r.confirm(t)
	if out := <-done; out.Code != supervisor.ExitOK || out.Result != supervisor.Upgraded || out.Cycle != verdict.Cycle {
		t.Errorf("done is %+v", out)
	}
	r.upToDate(t)
	st = r.Status()
	if len(st.Masters) != 1 || st.Masters[0].Role != "main" || st.MainPID != n.PID(t) || st.Running.Version != version || st.Last == nil || st.Last.ID != verdict.Cycle {
		t.Errorf("afterwards: %+v", st)
	}
}

// goingBack is a cycle with a good verdict that a person has taken back, and whose
// successor still has something to finish, until finish.
func goingBack(t *testing.T) (r *running, back <-chan supervisor.Outcome, finish func()) {
	t.Helper()
	n := start(t, site(t))
	c := quick()
	c.Upgrade.ConfirmManual = true
	c.Upgrade.DismissTimeoutSec = time.Hour
	r = runByHand(t, n, newStore(t), c)
	nginxtest.Install(t, n.Binary, newer(t, n))
	r.askUntil(t, request(supervisor.WaitDone), supervisor.Draining)
	streams := traffic.Target{Kind: traffic.Stream, URL: "http://" + n.Listen + "/stream", Clients: 1}
	load, err := traffic.Start(traffic.Config{Targets: []traffic.Target{streams}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { load.Stop() })
	nginxtest.Eventually(t, "the stream runs", func() bool { return load.Snapshot().Total.Running == 1 })
	answer := make(chan supervisor.Outcome, 1)
	q := request(supervisor.WaitDone)
	q.Action = supervisor.ActionRollback
	go func() {
		out, err := r.Do(t.Context(), q)
		if err != nil {
			t.Error(err)
		}
		answer <- out
	}()
	r.waitFor(t, "the successor is dismissed", func(s supervisor.Status) bool { return s.Phase == supervisor.Dismissing })
	return r, answer, func() { load.Stop() }
}

// Whoever asks on the way back is told that it is one.
func TestRequestsOnTheWayBack(t *testing.T) {
	t.Parallel()
	r, back, finish := goingBack(t)
	q := request(supervisor.WaitDone)
	q.Action = supervisor.ActionConfirm
	if out, err := r.Do(t.Context(), q); err != nil || out.Code != supervisor.ExitRolledBack || !strings.Contains(out.Text, "too late") {
		t.Errorf("confirmed on the way back: %+v, %v", out, err)
	}
	joined := r.ask(t, request(supervisor.WaitVerdict))
	r.heard(t)
	finish()
	if out := <-joined; out.Code != supervisor.ExitRolledBack || out.Result != supervisor.RolledBack {
		t.Errorf("an upgrade joined the way back: %+v", out)
	}
	if out := <-back; out.Code != supervisor.ExitOK || out.Result != supervisor.RolledBack {
		t.Errorf("asked for the way back: %+v", out)
	}
	if records := history(t, r.store); len(records) != 1 || records[0].Result != supervisor.RolledBack || records[0].Confirmed {
		t.Errorf("records: %+v", records)
	}
}

// Whoever goes back to another build than the one before gets that one.
func TestRollbackInMidCycleToAnother(t *testing.T) {
	t.Parallel()
	n := start(t, traffic.Site{Unix: unixSocket(t)})
	c := quick()
	r := runByHand(t, n, newStore(t), c)
	stop := lightTraffic(t, n)
	data, between := n.Newer(t, '8')
	nginxtest.Install(t, n.Binary, data)
	if out := <-r.ask(t, request(supervisor.WaitDone)); out.Result != supervisor.Upgraded {
		t.Fatalf("got %+v", out)
	}
	c.Automatic, c.Upgrade.KeepOldSec = false, time.Hour
	r.Configure(c)
	nginxtest.Install(t, n.Binary, newer(t, n))
	answer := r.askUntil(t, request(supervisor.WaitDone), supervisor.Draining)
	q := request(supervisor.WaitVerdict)
	q.Action, q.To = supervisor.ActionRollback, "0.0.1"
	if out, err := r.Do(t.Context(), q); err != nil || out.Code != supervisor.ExitFailure || r.Status().Phase != supervisor.Draining {
		t.Errorf("to a build that is not kept: %+v, %v", out, err)
	}
	q.To = n.Version
	if out, err := r.Do(t.Context(), q); err != nil || out.Code != supervisor.ExitOK || out.Result != supervisor.Upgraded {
		t.Errorf("to the one before %s: %+v, %v", between, out, err)
	}
	if out := <-answer; out.Result != supervisor.RolledBack {
		t.Errorf("the cycle that ran: %+v", out)
	}
	stop()
	requireServer(t, n, n.Version)
}

func TestDryRunChangesNothing(t *testing.T) {
	n := start(t, traffic.Site{})
	before := processes(t, n.Master)
	c := quick()
	c.Automatic = false
	r := run(t, n, newStore(t), c)
	r.upToDate(t)
	log := size(t, n.ErrorLogPath())
	dry := request(supervisor.WaitDone)
	dry.DryRun = true
	if out := <-r.ask(t, dry); out.Code != supervisor.ExitOK || !strings.Contains(out.Text, "already current") {
		t.Errorf("got %+v", out)
	}
	data, version := n.Newer(t, '9')
	nginxtest.Install(t, n.Binary, data)
	if out := <-r.ask(t, dry); out.Code != supervisor.ExitOK || !strings.Contains(out.Text, "would upgrade "+n.Version) || !strings.Contains(out.Text, version) {
		t.Errorf("got %+v", out)
	}
	nginxtest.Install(t, n.Binary, data[:len(data)/2])
	if out := <-r.ask(t, dry); out.Code != supervisor.ExitDeferred || !strings.Contains(out.Text, "not complete") {
		t.Errorf("got %+v", out)
	}
	if got := history(t, r.store); len(got) != 0 {
		t.Errorf("records: %+v", got)
	}
	if left, err := r.store.LoadRunning("test"); left != nil || err != nil {
		t.Errorf("a cycle is left: %+v, %v", left, err)
	}
	if diff := cmp.Diff(before, processes(t, n.Master)); diff != "" {
		t.Errorf("the processes are not the same: %s", diff)
	}
	if now := size(t, n.ErrorLogPath()); now != log {
		t.Errorf("the error log has grown from %d to %d bytes", log, now)
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
