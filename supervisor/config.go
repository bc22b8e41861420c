package supervisor

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Config is the configuration of the daemon: what holds for all instances and
// what each is given of its own. See nginx-hotswap.conf(5) for the keys.
type Config struct {
	Units                 []string      // patterns of unit names
	Automatic             bool          // act on what the watcher sees
	SettleSec             time.Duration // a file is quiet for so long
	PackageLockTimeoutSec time.Duration
	Concurrency           int // cycles at the same time, over all instances
	KeepHistory           int // finished records

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
	KeepBuilds        int           // builds in the vault
	ConfirmManual     bool          // Confirm=manual: wait for `confirm` after the verdict
	ConfirmTimeoutSec time.Duration // then roll back
	LeaveBadBinary    bool          // OnBadBinary=leave: the condemned file stays on disk
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
		SettleSec:             3 * time.Second,
		PackageLockTimeoutSec: 15 * time.Minute,
		Concurrency:           1,
		KeepHistory:           200,
		Upgrade: UpgradeConfig{
			TestTimeoutSec:    time.Minute,
			StartTimeoutSec:   30 * time.Second,
			SoakSec:           10 * time.Second,
			KeepOldSec:        2 * time.Minute,
			DrainTimeoutSec:   Infinity,
			DismissTimeoutSec: 30 * time.Second,
			KeepBuilds:        5,
			ConfirmTimeoutSec: 15 * time.Minute,
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

// setting assigns the text of one key.
type setting func(value string) error

// settings maps [Section] Key to where its value goes. It is the one list of
// keys; unknown ones are compared with it for a suggestion.
func (c *Config) settings() map[string]map[string]setting {
	return map[string]map[string]setting{
		"Supervisor": {
			"Units":                 setWords(&c.Units),
			"Automatic":             setBool(&c.Automatic),
			"SettleSec":             setSpan(&c.SettleSec),
			"PackageLockTimeoutSec": setSpan(&c.PackageLockTimeoutSec),
			"Concurrency":           setCount(&c.Concurrency, 1),
			"KeepHistory":           setCount(&c.KeepHistory, 1),
		},
		"Upgrade": c.Upgrade.settings(),
	}
}

func (u *UpgradeConfig) settings() map[string]setting {
	return map[string]setting{
		"TestTimeoutSec":    setSpan(&u.TestTimeoutSec),
		"StartTimeoutSec":   setSpan(&u.StartTimeoutSec),
		"SoakSec":           setSpan(&u.SoakSec),
		"KeepOldSec":        setSpan(&u.KeepOldSec),
		"DrainTimeoutSec":   setSpan(&u.DrainTimeoutSec),
		"DismissTimeoutSec": setSpan(&u.DismissTimeoutSec),
		"KeepBuilds":        setCount(&u.KeepBuilds, 1),
		"Confirm":           setWord(&u.ConfirmManual, "auto", "manual"),
		"ConfirmTimeoutSec": setSpan(&u.ConfirmTimeoutSec),
		"OnBadBinary":       setWord(&u.LeaveBadBinary, "restore", "leave"),
	}
}

func (i *InstanceConfig) settings() map[string]map[string]setting {
	return map[string]map[string]setting{
		"Instance": {
			"Name":         setName(&i.Name),
			"Unit":         setText(&i.Unit),
			"PIDFile":      setPath(&i.PIDFile),
			"TrustedOwner": setText(&i.TrustedOwner),
		},
		"Upgrade": i.Upgrade.settings(),
	}
}

func setSpan(to *time.Duration) setting {
	return func(value string) (err error) {
		*to, err = ParseTimeSpan(value)
		return err
	}
}

func setBool(to *bool) setting {
	return func(value string) error {
		switch strings.ToLower(value) { // as systemd.syntax(7)
		case "1", "yes", "y", "true", "t", "on":
			*to = true
		case "0", "no", "n", "false", "f", "off":
			*to = false
		default:
			return fmt.Errorf("not a boolean: %q (write yes or no)", value)
		}
		return nil
	}
}

// setWord is for a key with two words, of which the second switches something
// on.
func setWord(to *bool, off, on string) setting {
	return func(value string) error {
		if value != off && value != on {
			return fmt.Errorf("not %s or %s: %q", off, on, value)
		}
		*to = value == on
		return nil
	}
}

func setCount(to *int, least int) setting {
	return func(value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < least || n > 1<<20 {
			return fmt.Errorf("not a number from %d on: %q", least, value)
		}
		*to = n
		return nil
	}
}

// setWords appends; an empty value clears the list, as in unit files.
func setWords(to *[]string) setting {
	return func(value string) error {
		words := strings.Fields(value)
		if len(words) == 0 {
			*to = nil
			return nil
		}
		*to = append(*to, words...)
		return nil
	}
}

func setText(to *string) setting {
	return func(value string) error {
		*to = value
		return nil
	}
}

func setPath(to *string) setting {
	return func(value string) error {
		if !strings.HasPrefix(value, "/") {
			return fmt.Errorf("not an absolute path: %q", value)
		}
		*to = value
		return nil
	}
}

func setName(to *string) setting {
	return func(value string) error {
		if value == "" || strings.ContainsAny(value, "/ \t\"'") || value[0] == '.' || value[0] == '-' {
			return fmt.Errorf("not a name for an instance: %q", value)
		}
		*to = value
		return nil
	}
}
