package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// metricsInterval is between two writes: node_exporter is asked every 15 s or
// so, and a cycle changes more often than that.
const metricsInterval = time.Second

// metrics keeps the file for node_exporter up to date, see TextfileDirectory=.
// Supervisors only leave word of what has changed, so that none of them ever
// waits for a file, and nothing wakes up while nothing changes.
type metrics struct {
	look    func(names map[string]bool) []supervisor.Status // nil means all
	history func() []*supervisor.Record
	log     *slog.Logger
	wake    chan struct{}

	mu   sync.Mutex
	news metricNews

	// The rest belongs to the goroutine of run.
	set     *metricSet // nil while there is no directory
	in      string     // the directory
	written []byte     // what the file says
	failing bool       // and that was told
}

// metricNews is what has happened since the last write.
type metricNews struct {
	directory string
	all       bool            // every instance is to be looked at
	changed   map[string]bool // or these
	finished  []*supervisor.Record
}

func newMetrics(log *slog.Logger, look func(map[string]bool) []supervisor.Status, history func() []*supervisor.Record) *metrics {
	return &metrics{look: look, history: history, log: log, wake: make(chan struct{}, 1)}
}

// configure sets the directory; "" means no metrics.
func (m *metrics) configure(directory string) {
	m.tell(func(n *metricNews) { n.directory, n.all = directory, true })
}

// change says that the status of an instance has changed.
func (m *metrics) change(instance string) {
	m.tell(func(n *metricNews) {
		if n.changed == nil {
			n.changed = make(map[string]bool)
		}
		n.changed[instance] = true
	})
}

// finish counts a cycle that has ended.
func (m *metrics) finish(r *supervisor.Record) {
	m.tell(func(n *metricNews) { n.finished = append(n.finished, r) })
}

func (m *metrics) tell(change func(*metricNews)) {
	m.mu.Lock()
	was := m.news.directory
	change(&m.news)
	off := was == "" && m.news.directory == ""
	if off {
		m.news = metricNews{} // nobody will ask
	}
	m.mu.Unlock()
	if off {
		return
	}
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *metrics) take() metricNews {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := m.news
	m.news = metricNews{directory: taken.directory}
	return taken
}

// run writes until the context ends. Then the file goes: node_exporter would
// show for ever what was true once.
func (m *metrics) run(ctx context.Context) error {
	defer m.clear()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.wake:
		}
		m.update()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(metricsInterval):
		}
	}
}

func (m *metrics) update() {
	news := m.take()
	if news.directory != m.in {
		m.clear()
		m.in, m.written, m.failing = news.directory, nil, false
	}
	if m.in == "" {
		m.set = nil
		return
	}
	if m.set == nil {
		m.set = newMetricSet(time.Now())
		for _, r := range m.history() {
			m.set.recall(r)
		}
	}
	for _, r := range news.finished {
		m.set.count(r)
	}
	m.lookAt(news)
	m.write(news.all)
}

// lookAt takes over the state of what has changed. What is not there any more is
// forgotten.
func (m *metrics) lookAt(news metricNews) {
	if news.all {
		news.changed = nil
		for name := range m.set.instances {
			m.set.forget(name)
		}
	}
	for name := range news.changed {
		m.set.forget(name)
	}
	if news.all || news.changed != nil {
		for _, s := range m.look(news.changed) {
			m.set.show(s)
		}
	}
	m.set.sweep()
}

// write replaces the file if it is to say something else, or if the configuration
// was read: somebody may have removed it. What stands in the way is told once.
func (m *metrics) write(anyway bool) {
	text, err := m.set.text()
	if err == nil && !anyway && bytes.Equal(text, m.written) {
		return
	}
	if err == nil {
		err = writeTextfile(m.in, text)
	}
	switch {
	case err != nil && !m.failing:
		m.log.Warn(fmt.Sprintf("metrics are not written: %v; %s", err, textfileRemedy(m.in, err)))
	case err == nil && m.failing:
		m.log.Info("metrics are written to " + m.in)
	}
	m.failing = err != nil
	if err == nil {
		m.written = text
	}
}

// clear removes the file, if it is ours.
func (m *metrics) clear() {
	if m.written == nil {
		return
	}
	if err := removeTextfile(m.in); err != nil {
		m.log.Warn("cannot remove the metrics, which are no longer true", "error", err)
	}
	m.written = nil
}
