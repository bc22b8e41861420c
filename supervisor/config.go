package supervisor

import (
	"fmt"
	"strings"
	"time"
)

// Config is the configuration of the daemon: what holds for all instances and
// what each is given of its own. See nginx-hotswap.conf(5) for the keys.
type Config struct {
	Units                 []string      // patterns of unit names
	Automatic             bool          // act on what the watcher sees
	WatchLibraries        bool          // replaced modules and libraries, too
	SettleSec             time.Duration // a file is quiet for so long
	PackageLockTimeoutSec time.Duration
	HookTimeoutSec        time.Duration // hooks of package managers wait no longer
	HoldPackageRestart    bool          // hold off restarts by maintainer scripts
	PackageResultFails    bool          // PackageResult=fail: a bad build fails the package run
	Concurrency           int           // cycles at the same time, over all instances
	KeepHistory           int           // finished records
	OnResultUnit          string        // is started when a cycle has ended
	TextfileDirectory     string        // [Metrics]: where node_exporter reads

	Upgrade   UpgradeConfig
	Instances []InstanceConfig // those of instance.d
}

// UpgradeConfig is the part of the configuration that a cycle goes by.
type UpgradeConfig struct {
	TestTimeoutSec    time.Duration // for nginx -t
	StartTimeoutSec   time.Duration // from USR2 until the successor serves
	SoakSec           time.Duration // without a bad sign, for a good verdict
	KeepOldSec        time.Duration // the old master stays frozen after the verdict
	DrainTimeoutSec   time.Duration // for the old workers to finish
	DismissTimeoutSec time.Duration // for a dismissed successor to finish
	RetainSec         time.Duration // at least so long the old master stays for a script of an rpm package
	KeepBuilds        int           // builds in the vault
	ConfirmManual     bool          // Confirm=manual: wait for `confirm` after the verdict
	ConfirmTimeoutSec time.Duration // then roll back
	LeaveBadBinary    bool          // OnBadBinary=leave: the condemned file stays on disk
	Probes            []ProbeConfig // the [Probe] sections
	Differential      bool          // without probes, compare answers with those of the old master
}

// InstanceConfig describes one instance: a unit, or a master without a unit
// that is found by its pid file.
type InstanceConfig struct {
	Name         string
	Unit         string
	PIDFile      string
	TrustedOwner string // a user's name or uid whose binaries are run, besides root's
	Upgrade      UpgradeConfig
}

// Defaults returns the configuration that holds without any file.
func Defaults() Config {
	return Config{
		Units: []string{"nginx.service", "nginx@*.service", "openresty.service", "angie.service",
			"freenginx.service", "tengine.service"},
		Automatic:             true,
		WatchLibraries:        true,
		SettleSec:             3 * time.Second,
		PackageLockTimeoutSec: 15 * time.Minute,
		HookTimeoutSec:        time.Minute,
		HoldPackageRestart:    true,
		Concurrency:           1,
		KeepHistory:           200,
		Upgrade: UpgradeConfig{
			TestTimeoutSec:    time.Minute,
			StartTimeoutSec:   30 * time.Second,
			SoakSec:           10 * time.Second,
			KeepOldSec:        2 * time.Minute,
			DrainTimeoutSec:   Infinity,
			DismissTimeoutSec: 30 * time.Second,
			RetainSec:         time.Minute,
			KeepBuilds:        5,
			ConfirmTimeoutSec: 15 * time.Minute,
			Differential:      true,
		},
	}
}

// Instance returns the settings of the named instance: those of its own file,
// or the common ones.
func (c Config) Instance(name string) InstanceConfig {
	for _, i := range c.Instances {
		if i.Name == name {
			return i
		}
	}
	return InstanceConfig{Name: name, Upgrade: c.Upgrade}
}

// InstanceName is the name of the instance that a unit gives: nginx.service is
// nginx, nginx@blog.service is nginx@blog.
func InstanceName(unit string) string { return strings.TrimSuffix(unit, ".service") }

// A section of a configuration file: its keys and where their values go.
type section map[string]setting

// sections returns what can be set. It is called anew for each section of a
// file, so that [Probe] may be repeated.
type sections func(name string) section

// setting assigns the text of one key.
type setting func(value string) error

// section is the one list of the keys that hold for all instances.
func (c *Config) section(name string) section {
	if name == "Supervisor" {
		return section{
			"Units":                 setPatterns(&c.Units),
			"Automatic":             setBool(&c.Automatic),
			"WatchLibraries":        setBool(&c.WatchLibraries),
			"SettleSec":             setSpan(&c.SettleSec),
			"PackageLockTimeoutSec": setSpan(&c.PackageLockTimeoutSec),
			"HookTimeoutSec":        setSpan(&c.HookTimeoutSec),
			"HoldPackageRestart":    setBool(&c.HoldPackageRestart),
			"PackageResult":         setWord(&c.PackageResultFails, "warn", "fail"),
			"Concurrency":           setCount(&c.Concurrency, 1),
			"KeepHistory":           setCount(&c.KeepHistory, 1),
			"OnResultUnit":          orNone(&c.OnResultUnit, setUnit),
		}
	}
	if name == "Metrics" {
		return section{"TextfileDirectory": orNone(&c.TextfileDirectory, setPath)}
	}
	return c.Upgrade.section(name)
}

// section is the list of the keys that an instance may have of its own.
func (i *InstanceConfig) section(name string) section {
	if name == "Instance" {
		return section{
			"Name":         setName(&i.Name),
			"Unit":         setUnit(&i.Unit),
			"PIDFile":      setPath(&i.PIDFile),
			"TrustedOwner": setText(&i.TrustedOwner),
		}
	}
	return i.Upgrade.section(name)
}

func (u *UpgradeConfig) section(name string) section {
	switch name {
	case "Upgrade":
		return section{
			"TestTimeoutSec":    setSpan(&u.TestTimeoutSec),
			"StartTimeoutSec":   setSpan(&u.StartTimeoutSec),
			"SoakSec":           setSpan(&u.SoakSec),
			"KeepOldSec":        setSpan(&u.KeepOldSec),
			"DrainTimeoutSec":   setSpan(&u.DrainTimeoutSec),
			"DismissTimeoutSec": setSpan(&u.DismissTimeoutSec),
			"RetainSec":         setSpan(&u.RetainSec),
			"KeepBuilds":        setCount(&u.KeepBuilds, 1),
			"Confirm":           setWord(&u.ConfirmManual, "auto", "manual"),
			"ConfirmTimeoutSec": setSpan(&u.ConfirmTimeoutSec),
			"OnBadBinary":       setWord(&u.LeaveBadBinary, "restore", "leave"),
		}
	case "Probe":
		u.Probes = append(u.Probes, ProbeConfig{})
		p := &u.Probes[len(u.Probes)-1]
		return section{
			"URL":              setText(&p.URL),
			"Host":             setText(&p.Host),
			"TCP":              setText(&p.TCP),
			"Exec":             setText(&p.Exec),
			"ExpectStatus":     setCount(&p.ExpectStatus, 100),
			"IntervalSec":      setSpan(&p.IntervalSec),
			"TimeoutSec":       setSpan(&p.TimeoutSec),
			"FailureThreshold": setCount(&p.FailureThreshold, 1),
			"Differential":     setBool(&u.Differential),
		}
	}
	return nil
}

// checkProbes drops [Probe] sections that only set Differential=, and says what
// is wrong with the others.
func (u *UpgradeConfig) checkProbes(file string) error {
	var probes []ProbeConfig
	for _, p := range u.Probes {
		if p == (ProbeConfig{}) {
			continue
		}
		if err := p.target(nil).Valid(); err != nil {
			return fmt.Errorf("%s: [Probe]: %w", file, err)
		}
		probes = append(probes, p)
	}
	u.Probes = probes
	return nil
}
