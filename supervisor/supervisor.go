package supervisor

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Supervisor owns one instance. One goroutine, the one that calls Run or Once,
// does everything; the others talk to it by pokes and requests.
type Supervisor struct {
	instance    InstanceConfig
	automatic   bool
	lockTimeout time.Duration
	settle      time.Duration // SettleSec
	// watchLibraries makes a replaced library a reason for a cycle.
	watchLibraries bool
	keepHistory    int

	systemd Systemd
	store   Store
	builds  *Builds
	line    *Line
	log     *slog.Logger
	locks   []PackageLock

	pokes    chan struct{}
	requests chan request
	settings chan Config
	onAttach func()
	onAlert  func(instance, text string)
	onChange func()
	onFinish func(*Record)
	waiting  []request // for the cycle that runs
	later    []request // for after it
	first    *request  // came before the cycle that is gone on with
	oneShot  Wait      // set by Once: no daemon stays behind
	hook     bool      // set by Once: a package manager waits for it

	current     *master
	attachment  *Attachment
	foreign     *Record   // an upgrade of somebody else that is only watched
	announced   time.Time // since when its successor is awaited
	unitName    string
	lockedSince time.Time // a package transaction is waited for
	overwritten string    // the key of the build that warnOverwritten has told of
	raised      *string   // what OnAlert was told last
	deserted    string    // why nobody accepts connections
	stuckIn     string    // the cycle that got stuck, when it was told of
	stuckDisk   string    // the file that is known since
	again       <-chan time.Time
	backoff     time.Duration // before a master is looked for again
	limits      limits

	mu   sync.Mutex
	view view
}

// Options are what a Supervisor needs besides its instance.
type Options struct {
	Config  Config
	Store   Store
	Systemd Systemd // nil where systemd does not run
	Log     *slog.Logger
	// Builds and Line are shared by the supervisors of one process; nil
	// gives each its own.
	Builds *Builds
	Line   *Line
	// OnAttach is called when the master, and so what is to be watched, may
	// have changed. It must not block.
	OnAttach func()
	// OnAlert is told once why the instance needs a person, and with "" that it
	// does not, or not any more. It must not block.
	OnAlert func(instance, text string)
	// OnChange is called when Status may have changed otherwise than by the
	// workers' connections. It must not block.
	OnChange func()
	// OnFinish is called once for each cycle that goes into the history, with its
	// record, which nobody may change. It must not block.
	OnFinish func(*Record)
	// PackageLocks defaults to PackageLocks.
	PackageLocks []PackageLock

	limits limits // of a test
}

// New returns a supervisor for an instance.
func New(instance InstanceConfig, o Options) *Supervisor {
	s := &Supervisor{
		instance: instance, automatic: o.Config.Automatic, watchLibraries: o.Config.WatchLibraries, lockTimeout: o.Config.PackageLockTimeoutSec, settle: o.Config.SettleSec,
		keepHistory: o.Config.KeepHistory, systemd: o.Systemd, store: o.Store, builds: o.Builds, line: o.Line,
		log: o.Log, locks: o.PackageLocks, unitName: instance.Unit,
		pokes: make(chan struct{}, 1), requests: make(chan request), settings: make(chan Config, 1),
		onAttach: o.OnAttach, onAlert: o.OnAlert, onChange: o.OnChange, onFinish: o.OnFinish, limits: o.limits,
	}
	if s.builds == nil {
		s.builds = new(Builds)
	}
	if s.line == nil {
		s.line = NewLine(max(1, o.Config.Concurrency))
	}
	if s.locks == nil {
		s.locks = PackageLocks
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.onAttach == nil {
		s.onAttach = func() {}
	}
	if s.onAlert == nil {
		s.onAlert = func(string, string) {}
	}
	if s.onChange == nil {
		s.onChange = func() {}
	}
	if s.onFinish == nil {
		s.onFinish = func(*Record) {}
	}
	s.view.phase = Idle
	return s
}

// Name is the name of the instance.
func (s *Supervisor) Name() string { return s.instance.Name }

// PIDFile is the pid file by which the instance was given, or "".
func (s *Supervisor) PIDFile() string { return s.instance.PIDFile }

func (s *Supervisor) audit() Audit {
	return Audit{Log: s.log, Instance: s.instance.Name, Unit: s.unitName}
}

func (s *Supervisor) vault() Vault { return Vault{s.store.vault(s.instance.Name)} }

// Poke says "look again": something may have changed. It never blocks, and a
// poke too many does no harm.
func (s *Supervisor) Poke() {
	select {
	case s.pokes <- struct{}{}:
	default:
	}
}

// Run attaches to the instance and looks after it until the context ends. A
// cycle that runs then is left in a state from which the next Run goes on. The
// caller holds the instance's lock.
func (s *Supervisor) Run(ctx context.Context) error {
	defer s.detach()
	s.Poke()
	for ctx.Err() == nil { // a cycle that was interrupted has left a poke behind
		var exited <-chan struct{}
		if s.current != nil {
			exited = s.current.Exited()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-exited:
			s.detach()
			s.Poke()
		case <-s.pokes:
			s.again = nil
			s.look(ctx)
		case <-s.again:
			s.again = nil
			s.look(ctx)
		case r := <-s.requests:
			s.serve(ctx, r)
		case c := <-s.settings:
			s.adopt(c)
		}
		s.serveLater(ctx)
		s.raise()
	}
	return nil
}

// Configure gives a running supervisor a new configuration. A cycle that runs
// goes on with the one that it began with.
func (s *Supervisor) Configure(c Config) {
	for {
		select {
		case s.settings <- c:
			return
		case <-s.settings: // one that was not taken yet is outdated
		}
	}
}

// adoptWaiting is done before a request and before a look: whoever has given a new
// configuration first, perhaps while a cycle ran, means both to go by it.
func (s *Supervisor) adoptWaiting() {
	select {
	case c := <-s.settings:
		s.adopt(c)
	default:
	}
}

func (s *Supervisor) adopt(c Config) {
	s.automatic, s.watchLibraries, s.keepHistory = c.Automatic, c.WatchLibraries, c.KeepHistory
	s.lockTimeout, s.settle = c.PackageLockTimeoutSec, c.SettleSec
	i := c.Instance(s.instance.Name)
	s.instance.Upgrade, s.instance.TrustedOwner = i.Upgrade, i.TrustedOwner
	if s.attachment != nil && s.attachment.Refused != nil && s.attachment.Refused.Inputs != "" {
		s.remember(func(a *Attachment) { a.Refused = nil }) // other limits, perhaps
	}
	s.Poke()
}

func (s *Supervisor) serveLater(ctx context.Context) {
	for len(s.later) > 0 && ctx.Err() == nil {
		r := s.later[0]
		s.later = s.later[1:]
		s.serve(ctx, r)
	}
}
