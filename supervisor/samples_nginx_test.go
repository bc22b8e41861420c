package supervisor_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// TestSamplesOfACycle interrupts a cycle, so that the samples of two processes
// are put together.
func TestSamplesOfACycle(t *testing.T) {
	n := start(t, traffic.Site{})
	for range 5 { // that old workers keep until their end
		conn, err := net.Dial("tcp", n.Listen)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("GET / HTTP/1.1\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	store := newStore(t)
	c := quick()
	c.Upgrade.KeepOldSec = time.Hour
	r := run(t, n, store, c)
	r.upToDate(t)
	nginxtest.Install(t, n.Binary, newer(t, n))
	reached, goOn := supervisor.StopIn(t, supervisor.Starting)
	r.ask(t, request(supervisor.WaitDone))
	<-reached
	samplesPath := filepath.Join(store.Runtime, "samples", "test.json")
	nginxtest.Eventually(t, "the first sample is taken, of one generation", func() bool { return nginxtest.Exists(samplesPath) })
	goOn()
	r.waitFor(t, "it drains", func(st supervisor.Status) bool { return st.Phase == supervisor.Draining })
	nginxtest.Eventually(t, "an answer to a probe is on disk", func() bool {
		data, err := os.ReadFile(samplesPath)
		return err == nil && strings.Contains(string(data), "took_us")
	})
	r.stop()
	c.Upgrade.KeepOldSec, c.Upgrade.DrainTimeoutSec = 0, time.Millisecond
	next := run(t, n, store, c)
	next.waitFor(t, "it is upgraded", func(st supervisor.Status) bool {
		return st.Phase == supervisor.Idle && st.Last != nil && st.Last.Result == supervisor.Upgraded
	})

	record := history(t, store)[0]
	samples, err := store.Samples(record.ID)
	if err != nil || len(samples) < 5 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	most, probes := 0, 0
	for _, s := range samples {
		most = max(most, s.OldConnections)
		for _, p := range s.Probes {
			probes++
			if !p.Good || p.TookUS <= 0 || !p.At.Before(s.At) {
				t.Errorf("%+v", p)
			}
		}
	}
	first, last := samples[0], samples[len(samples)-1]
	if first.OldWorkers != n.Workers || first.SuccessorWorkers != 0 || last.SuccessorWorkers != n.Workers {
		t.Errorf("the first sample is %+v, the last one %+v", first, last)
	}
	if most < 5 || probes == 0 {
		t.Errorf("old had %d connections at the most, %d probes were answered: %+v", most, probes, samples)
	}
	if first.At.Before(record.Started) || last.At.After(*record.Finished) {
		t.Errorf("samples from %v to %v of a cycle from %v to %v", first.At, last.At, record.Started, record.Finished)
	}
}
