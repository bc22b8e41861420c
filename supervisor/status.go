package supervisor

import (
	"cmp"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// view is what others may know of a supervisor at any moment. The supervisor's
// goroutine publishes it, Status reads it.
type view struct {
	phase           Phase
	main, successor *nginx.ID
	running, disk   Build
	path            string
	mapped          []string // modules and libraries, where they are watched
	pidFile         string
	sameRoot        bool // paths mean the same for us as for the master
	since           time.Time
	pending         string // why what is on disk does not run
	problem         string // why there is no master
	listeners       int
	unit            string
	held            bool
	alert           string // why a person is needed
	note            string // what is to be known although disk and memory agree
	cycle           *CycleStatus
}

func (s *Supervisor) publish(change func(*view)) {
	s.mu.Lock()
	change(&s.view)
	s.mu.Unlock()
	s.onChange()
}

func (s *Supervisor) snapshot() view {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view
}

// Status describes an instance at one moment; it is what `status --json`
// prints.
type Status struct {
	Name    string         `json:"name"`
	Unit    string         `json:"unit"`
	MainPID int            `json:"main_pid"`
	Phase   Phase          `json:"phase"`
	Running RunningStatus  `json:"running"`
	Disk    BuildStatus    `json:"disk"`
	Pending bool           `json:"pending"` // disk and memory differ
	Held    bool           `json:"held"`
	Reason  string         `json:"reason,omitempty"` // why it is pending, or not running
	Alert   string         `json:"alert,omitempty"`  // why it needs a person
	Masters []MasterStatus `json:"masters"`
	Cycle   *CycleStatus   `json:"cycle"` // null while none runs
	Last    *LastStatus    `json:"last"`
}

// BuildStatus names a build. On disk the version is empty until it was looked
// at closely.
type BuildStatus struct {
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
}

// RunningStatus is the build that serves.
type RunningStatus struct {
	BuildStatus
	Path  string     `json:"path"`
	Since *time.Time `json:"since"`
}

// MasterStatus is one master with its workers.
type MasterStatus struct {
	PID     int            `json:"pid"`
	Role    string         `json:"role"` // main, old or successor
	Version string         `json:"version"`
	Workers []WorkerStatus `json:"workers"`
}

// WorkerStatus is one worker. Connections is an estimate.
type WorkerStatus struct {
	PID         int  `json:"pid"`
	Draining    bool `json:"draining"`
	Connections int  `json:"connections"`
}

// LastStatus is the last cycle.
type LastStatus struct {
	ID       string     `json:"id"`
	Result   Result     `json:"result"`
	Reason   string     `json:"reason"`
	Finished *time.Time `json:"finished"`
}

// Outline is Status without the last cycle and the masters: it looks at no process
// and at no file, so it may be asked for whenever something changes. It may be
// called from any goroutine.
func (s *Supervisor) Outline() Status { return s.outline(s.snapshot()) }

func (s *Supervisor) outline(v view) Status {
	st := Status{Name: s.instance.Name, Unit: s.unit(), Phase: v.phase, Masters: []MasterStatus{},
		Pending: v.pending != "", Held: v.held, Alert: v.alert, Reason: cmp.Or(v.pending, v.note), Cycle: v.cycle,
		Disk: BuildStatus{v.disk.Number, v.disk.SHA256}}
	if v.main == nil {
		st.Reason = v.problem
		return st
	}
	st.MainPID = v.main.PID
	st.Running = RunningStatus{BuildStatus{v.running.Number, v.running.SHA256}, v.path, &v.since}
	return st
}

// Status looks at the instance. It may be called from any goroutine.
func (s *Supervisor) Status() Status {
	v := s.snapshot()
	st := s.outline(v)
	if r := s.store.Last(s.instance.Name); r != nil {
		st.Last = &LastStatus{r.ID, r.Result, r.Reason, r.Finished}
	}
	if v.main == nil {
		return st
	}
	role := "main"
	if v.successor != nil {
		role = "old"
	}
	st.Masters = append(st.Masters, masterStatus(*v.main, role, v.running.Number, v.listeners))
	if v.successor != nil {
		st.Masters = append(st.Masters, masterStatus(*v.successor, "successor", v.disk.Number, v.listeners))
	}
	return st
}

func (s *Supervisor) unit() string {
	if s.instance.Unit != "" {
		return s.instance.Unit
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.unit
}

func masterStatus(id nginx.ID, role, version string, listeners int) MasterStatus {
	m := MasterStatus{PID: id.PID, Role: role, Version: version, Workers: []WorkerStatus{}}
	tree, err := nginx.ReadTree(id)
	if err != nil {
		return m
	}
	estimate := estimateOf(id.PID, listeners, tree)
	for _, w := range tree.With(nginx.RoleWorker, nginx.RoleDraining, nginx.RoleStarting) {
		draining := w.Role == nginx.RoleDraining
		m.Workers = append(m.Workers, WorkerStatus{PID: w.PID, Draining: draining,
			Connections: estimate.Connections(w.PID, draining)})
	}
	return m
}

// drainingConnections is how many connections the draining workers of a master
// have together.
func drainingConnections(master, listeners int, tree nginx.Tree) int {
	estimate := estimateOf(master, listeners, tree)
	sum := 0
	for _, w := range tree.With(nginx.RoleDraining) {
		sum += estimate.Connections(w.PID, true)
	}
	return sum
}

func estimateOf(master, listeners int, tree nginx.Tree) *nginx.Estimate {
	fds, _ := nginx.CountFDs(master)
	return &nginx.Estimate{MasterFDs: fds, Processes: len(forked(tree)), Listeners: listeners}
}

// UnitName is the unit of the instance, or "".
func (s *Supervisor) UnitName() string { return s.unit() }
