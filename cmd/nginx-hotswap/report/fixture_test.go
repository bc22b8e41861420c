package report

import (
	"fmt"
	"math"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

var began = time.Date(2026, 11, 22, 9, 14, 3, 482e6, time.UTC)

const hash = "3f9c2a41d8e07b65f1a09c3e7d42b8865a10ce97f4d3b21089e6c75a4f0d1b2e"

type lap struct {
	phase supervisor.Phase
	took  time.Duration
}

// record is a cycle with these phases, one after the other.
func record(result supervisor.Result, reason string, laps ...lap) *supervisor.Record {
	rec := &supervisor.Record{Version: 1, ID: "20261122T091403.482-k3xq7", Instance: "nginx", Unit: "nginx.service", Origin: supervisor.OriginDpkg,
		Result: result, Reason: reason, Started: began,
		Old: supervisor.Generation{PID: 2371, Version: "1.26.3", SHA256: hash, Workers: make([]nginx.ID, 4),
			Listeners: []nginx.Listener{{Network: "tcp", Address: "0.0.0.0:80"}, {Network: "tcp", Address: "0.0.0.0:443"}, {Network: "unix", Address: "/run/site.sock"}}},
		Successor: supervisor.Generation{PID: 2402, Version: "1.28.0", SHA256: hash[32:] + hash[:32], Workers: make([]nginx.ID, 4)}}
	at := began
	for _, l := range laps {
		rec.Steps = append(rec.Steps, supervisor.StepRecord{Phase: l.phase, Started: at, DurationMS: l.took.Milliseconds()})
		rec.Phase = l.phase
		at = at.Add(l.took)
	}
	rec.Finished = &at
	return rec
}

func upgraded() Report {
	r := Report{Host: "web-03.example.org", Program: "nginx-hotswap 1.4.0", Made: began.Add(time.Hour),
		Record: record(supervisor.Upgraded, "", lap{supervisor.Verifying, 180 * time.Millisecond}, lap{supervisor.Keeping, 12 * time.Millisecond},
			lap{supervisor.Starting, 43 * time.Millisecond}, lap{supervisor.Shifting, 3 * time.Millisecond}, lap{supervisor.Soaking, 10 * time.Second},
			lap{supervisor.Draining, 2 * time.Minute}, lap{supervisor.Retiring, 18 * time.Millisecond})}
	for i := range 131 {
		sample := supervisor.Sample{At: began.Add(200*time.Millisecond + time.Duration(i)*time.Second), OldWorkers: 4, SuccessorWorkers: 4}
		t := float64(i)
		sample.OldConnections = int(412 * math.Exp(-t/28))
		sample.SuccessorConnections = int(430*(1-math.Exp(-t/9)) + 18*math.Sin(t/3))
		if i == 0 {
			sample.SuccessorWorkers, sample.SuccessorConnections = 0, 0
		}
		if i > 0 && i <= 10 {
			sample.Probes = []supervisor.ProbeSample{{At: sample.At, Target: "http://127.0.0.1/health", Good: true, TookUS: int64(900 + 160*(i%4))},
				{At: sample.At, Target: "tcp 127.0.0.1:443", Good: true, TookUS: int64(310 + 45*(i%3))}}
		}
		r.Samples = append(r.Samples, sample)
	}
	for _, l := range []struct {
		after time.Duration
		from  string
		text  string
	}{
		{-40 * time.Millisecond, "nginx-hotswap[812]", "nginx: new binary /usr/sbin/nginx 1.28.0 (3f9c…) differs from running 1.26.3 (a01b…), by dpkg"},
		{236 * time.Millisecond, "nginx-hotswap[812]", "nginx: USR2 sent to master 2371, successor 2402 serves with 4 workers after 43 ms"},
		{239 * time.Millisecond, "nginx-hotswap[812]", "nginx: WINCH sent to old master 2371, its 4 workers finish 412 connections"},
		{10240 * time.Millisecond, "nginx-hotswap[812]", "nginx: verdict good after 10 s, 20 rounds of probes, 0 crashes; old master 2371 is kept for 2min"},
		{130250 * time.Millisecond, "nginx-hotswap[812]", "nginx: QUIT sent to old master 2371, systemd follows 2402"},
	} {
		r.Log = append(r.Log, LogLine{began.Add(l.after), l.from, l.text, 5})
	}
	return r
}

func rolledBack() Report {
	r := upgraded()
	r.Record = record(supervisor.RolledBack, "worker 2405 of 1.28.0 died by SIGSEGV 3 times: 2026/11/22 09:14:06 [alert] 2402#2402: worker process 2405 exited on signal 11",
		lap{supervisor.Verifying, 180 * time.Millisecond}, lap{supervisor.Keeping, 12 * time.Millisecond}, lap{supervisor.Starting, 51 * time.Millisecond},
		lap{supervisor.Shifting, 4 * time.Millisecond}, lap{supervisor.Soaking, 3100 * time.Millisecond}, lap{supervisor.Reviving, 38 * time.Millisecond},
		lap{supervisor.Returning, time.Millisecond}, lap{supervisor.Dismissing, 1240 * time.Millisecond}, lap{supervisor.Restoring, 95 * time.Millisecond})
	r.Record.Condemned = true
	r.Samples = nil
	for i, s := range []supervisor.Sample{{OldConnections: 240}, {OldConnections: 238, SuccessorConnections: 2}, {OldConnections: 190, SuccessorConnections: 51},
		{OldConnections: 170, SuccessorConnections: 64}, {OldConnections: 158, SuccessorConnections: 40}, {OldConnections: 236, SuccessorConnections: 12}, {OldConnections: 241}} {
		s.At = began.Add(195*time.Millisecond + time.Duration(i)*720*time.Millisecond)
		if i > 1 && i < 6 {
			s.Probes = []supervisor.ProbeSample{{At: s.At, Target: "http://127.0.0.1/health", Good: i < 4, TookUS: int64(800 * math.Pow(12, float64(i-2)))}}
		}
		r.Samples = append(r.Samples, s)
	}
	r.Log = []LogLine{{began.Add(3300 * time.Millisecond), "nginx-hotswap[812]", "nginx: probe: http://127.0.0.1/health: connection reset", 6},
		{began.Add(3350 * time.Millisecond), "nginx-hotswap[812]", "nginx: rolling back: " + r.Record.Reason, 4},
		{began.Add(4700 * time.Millisecond), "systemd[1]", "nginx.service: Supervising process 2402 which is not our child.", 3}}
	return r
}

// drained is one whose old connections took most of a day.
func drained() Report {
	r := upgraded()
	last := len(r.Record.Steps) - 1
	r.Record.Steps[last-1].DurationMS += (19 * time.Hour).Milliseconds()
	for i := range r.Samples[20:] {
		r.Samples[20+i].At = began.Add(time.Duration(i) * 10 * time.Minute)
	}
	end := began.Add(19*time.Hour + 3*time.Minute)
	r.Record.Steps[last].Started, r.Record.Finished = end.Add(-18*time.Millisecond), &end
	return r
}

// refused has nothing but a record.
func refused() Report {
	return Report{Made: began, Program: "nginx-hotswap 1.4.0", LogNote: "There is no journal here.",
		Record: record(supervisor.Rejected, "configuration-test: nginx -t fails: unknown directive \"brotli\"", lap{supervisor.Verifying, 61 * time.Millisecond})}
}

func many() Report {
	r := rolledBack()
	for i := range r.Samples {
		for p := range 9 {
			r.Samples[i].Probes = append(r.Samples[i].Probes, supervisor.ProbeSample{At: r.Samples[i].At, Target: fmt.Sprintf("https://host-%d.example.org/a/rather/long/path/to/a/health/check", p), Good: true, TookUS: int64(100 * (p + 1))})
		}
	}
	return r
}
