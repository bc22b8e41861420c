package traffic

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Load is traffic that runs.
type Load struct {
	halt  func() // closes the channel that the clients watch; may be repeated
	asks  chan chan *Report
	done  chan struct{} // closed when final is set
	final *Report
}

// errGrace is why a request is unfinished.
var errGrace = errors.New("the grace period is over")

// Start begins to make traffic. The caller has to call [Load.Stop]. The error is
// about the configuration; a server that is not there shows in the report.
func Start(c Config) (*Load, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	stop := make(chan struct{})
	events := make(chan event, 256)
	l := &Load{
		halt: sync.OnceFunc(func() { close(stop) }),
		asks: make(chan chan *Report),
		done: make(chan struct{}),
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	var clients sync.WaitGroup
	book := newLedger(time.Now())
	for _, t := range c.Targets {
		for i := range t.Clients {
			client := newClient(t, c.Timeout, stop, events)
			clients.Go(func() { client.run(ctx, t.Interval*time.Duration(i)/time.Duration(t.Clients)) })
		}
	}
	go func() {
		<-stop
		events <- event{what: halted, at: time.Now()}
		grace := time.AfterFunc(c.Grace, func() { cancel(errGrace) })
		clients.Wait()
		grace.Stop()
		cancel(nil)
		close(events)
	}()
	go func() {
		l.final = book.keep(events, l.asks)
		close(l.done)
	}()
	return l, nil
}

// Run makes traffic until ctx is done, lets what is under way finish within the
// grace period and returns the account of it all.
func Run(ctx context.Context, c Config) (*Report, error) {
	l, err := Start(c)
	if err != nil {
		return nil, err
	}
	<-ctx.Done()
	return l.Stop(), nil
}

// Snapshot returns the account up to now.
func (l *Load) Snapshot() *Report {
	answer := make(chan *Report, 1)
	select {
	case l.asks <- answer:
		return <-answer
	case <-l.done:
		return l.final
	}
}

// Stop ends the issue of requests, lets those under way finish within the grace
// period (downloads at full speed, streams at the next echo) and returns the
// account of it all. It may be repeated.
func (l *Load) Stop() *Report {
	l.halt()
	<-l.done
	return l.final
}
