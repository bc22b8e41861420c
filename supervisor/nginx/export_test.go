package nginx

import (
	"maps"
	"slices"
)

// TableListeners is the way that Listeners takes where pidfd_getfd is
// forbidden.
func (p *Process) TableListeners() ([]Listener, error) {
	sockets, err := p.sockets()
	if err != nil {
		return nil, err
	}
	return tableListeners(p.PID, slices.Collect(maps.Values(sockets)))
}

// Files is how many files are followed.
func (l *ErrorLog) Files() int { return len(l.files) }

// ScanChildren is the way that ReadTree takes where the kernel lists no
// children.
var ScanChildren = scanChildren
