package traffic

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// TestLoad stops a load while a download and a stream are under way: both come to
// a good end, the download at full speed.
func TestLoad(t *testing.T) {
	const size = 1 << 20
	big := serve(t, func(c net.Conn) {
		answer(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size))(c)
		io.Copy(c, Content("/big", size))
	})
	u, err := EchoUpstream("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()

	load, err := Start(Config{Grace: time.Minute, Targets: []Target{
		{Kind: Download, URL: "http://" + big + "/big", Clients: 2, Size: size, Rate: 4 << 10}, // the rest would take minutes
		{Kind: Stream, URL: "http://" + u.Addr(), Clients: 2},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer load.Stop()
	eventually(t, func() error {
		if r := load.Snapshot(); r.Total.Running != 4 || r.Total.Echoes < 10 {
			return fmt.Errorf("%d run, %d echoes", r.Total.Running, r.Total.Echoes)
		}
		return nil
	})
	r := load.Stop()
	if s := r.Total; s.OK != 4 || s.Completed != 4 || s.Running != 0 || r.Verdict() != nil {
		t.Errorf("%+v, failures %v", s, r.Failures)
	}
	if again := load.Stop(); again != r || load.Snapshot() != r {
		t.Error("a second Stop, or a Snapshot after it, gives another report")
	}
}

// TestGrace gives up what does not finish in time, and does not call it a failure.
func TestGrace(t *testing.T) {
	var begun sync.WaitGroup
	begun.Add(6)
	addr := serve(t, func(c net.Conn) {
		readRequest(bufio.NewReader(c))
		begun.Done()
		c.Read(make([]byte, 1)) // until the client goes away
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		begun.Wait()
		cancel()
	}()
	r, err := Run(ctx, Config{
		Targets: []Target{{URL: "http://" + addr, Clients: 3}, {Kind: KeepAlive, URL: "http://" + addr, Clients: 3}},
		Grace:   50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Total; s.Requests != 6 || s.Unfinished != 6 || s.Failed != 0 || s.StaleRetries != 0 {
		t.Errorf("%+v, failures %v", s, r.Failures)
	}
}

// TestHold ends streams as planned and begins new ones.
func TestHold(t *testing.T) {
	u, err := EchoUpstream("unix:" + t.TempDir() + "/echo")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	load, err := Start(Config{Targets: []Target{
		{Kind: Stream, URL: "http://x/", Unix: u.Addr()[len("unix:"):], Clients: 1, Hold: 50 * time.Millisecond, Interval: 5 * time.Millisecond},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer load.Stop()
	eventually(t, func() error {
		if n := load.Snapshot().Total.Completed; n < 3 {
			return fmt.Errorf("%d streams are over", n)
		}
		return nil
	})
	r := load.Stop()
	if s := r.Total; s.Completed != s.Requests || s.Echoes < s.Completed {
		t.Errorf("%+v, failures %v", s, r.Failures)
	}
}

func TestDownloadRate(t *testing.T) {
	const size = 40 << 10
	addr := serve(t, func(c net.Conn) {
		answer(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size))(c)
		io.Copy(c, Content("/", size))
	})
	r, _ := one(t, Target{Kind: Download, URL: "http://" + addr, Size: size, Rate: 100 << 10}, time.Minute)
	start := time.Now()
	if e := r.request(t.Context()); e.fault != nil {
		t.Fatal(e.fault.err)
	}
	if took := time.Since(start); took < 350*time.Millisecond || took > 20*time.Second {
		t.Errorf("40 KiB at 100 KiB/s took %v", took)
	}
}

func TestUpstreamWantsUpgrade(t *testing.T) {
	u, err := EchoUpstream("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	r, _ := one(t, Target{URL: "http://" + u.Addr(), ExpectStatus: 426}, time.Minute)
	if e := r.request(t.Context()); e.fault != nil {
		t.Error(e.fault.err)
	}
}
