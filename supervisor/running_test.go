package supervisor_test

import (
	"context"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// running is a supervisor whose Run runs until the end of the test or stop.
type running struct {
	*supervisor.Supervisor
	store supervisor.Store
	stop  func()
}

// run looks after a test's nginx. The store may be that of an earlier run.
func run(t *testing.T, n *nginxtest.Nginx, store supervisor.Store, c supervisor.Config, change ...func(*supervisor.Options)) *running {
	t.Helper()
	return runInstance(t, instanceOf(n, c), store, c, change...)
}

// runInstance does the same for an instance that may be known otherwise.
func runInstance(t *testing.T, instance supervisor.InstanceConfig, store supervisor.Store, c supervisor.Config, change ...func(*supervisor.Options)) *running {
	t.Helper()
	o := options(t, store, c)
	for _, f := range change {
		f(&o)
	}
	s := supervisor.New(instance, o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return &running{s, store, stop}
}

func (r *running) waitFor(t *testing.T, what string, holds func(supervisor.Status) bool) {
	t.Helper()
	var last supervisor.Status
	defer func() {
		if t.Failed() {
			t.Logf("status: %+v", last)
		}
	}()
	nginxtest.Eventually(t, what, func() bool {
		last = r.Status()
		return holds(last)
	})
}

// upToDate waits until it has looked and found nothing to do.
func (r *running) upToDate(t *testing.T) {
	t.Helper()
	r.waitFor(t, "it is up to date", func(st supervisor.Status) bool {
		return st.Phase == supervisor.Idle && st.Running.SHA256 != "" && st.Disk.SHA256 == st.Running.SHA256 && !st.Pending
	})
}

// ask asks for an upgrade in the background.
func (r *running) ask(t *testing.T, q supervisor.Request) <-chan supervisor.Outcome {
	t.Helper()
	answer := make(chan supervisor.Outcome, 1)
	go func() {
		out, err := r.Upgrade(t.Context(), q)
		if err != nil {
			t.Error(err)
		}
		answer <- out
	}()
	return answer
}
