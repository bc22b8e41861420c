package main

import (
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// finished is told of a cycle that has ended, see supervisor.Options.OnFinish.
func (d *daemonProcess) finished(r *supervisor.Record) {
	d.metrics.finish(r)
	d.results.finish(r)
}

// statusesOf looks at the named instances that there are; nil means all.
func (d *daemonProcess) statusesOf(names map[string]bool) []supervisor.Status {
	var found []supervisor.Status
	for _, s := range d.list() {
		if names == nil || names[s.Name()] {
			found = append(found, s.Status())
		}
	}
	return found
}

// history is what happened before this daemon, oldest first.
func (d *daemonProcess) history() []*supervisor.Record {
	records, err := d.store.History(d.log)
	if err != nil {
		d.log.Warn("the metrics do not know what happened before", "error", err)
	}
	return records
}
