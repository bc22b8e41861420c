package nginx

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"
)

// Options are the command line options of a master that matter here.
type Options struct {
	Prefix  string // -p
	Config  string // -c
	Globals string // -g
}

// ParseOptions reads the arguments of a master as ngx_get_options does.
func ParseOptions(argv []string) Options {
	var o Options
	for i := 1; i < len(argv); i++ {
		arg, ok := strings.CutPrefix(argv[i], "-")
		for ok && arg != "" {
			letter := arg[0]
			arg = arg[1:]
			var value *string
			switch letter {
			case 'p':
				value = &o.Prefix
			case 'c':
				value = &o.Config
			case 'g':
				value = &o.Globals
			case 'e', 's':
				value = new(string)
			default:
				continue
			}
			// The value is the rest of the word or the next one.
			if *value, arg = arg, ""; *value == "" && i+1 < len(argv) {
				i++
				*value = argv[i]
			}
		}
	}
	return o
}

// Files are the paths that a master's options and its build's defaults lead
// to. They are absolute, in the master's view.
type Files struct {
	Config string // the main configuration file
	PID    string // where the build puts the pid file if nothing else is said
	prefix string
	global string
	memo   *confMemo
}

// Remembering returns the same files, with a memory: a file of the configuration
// is read again when it has changed.
func (f Files) Remembering() Files {
	f.memo = &confMemo{now: time.Now, known: make(map[string]remembered)}
	return f
}

// Locate finds the files of a master with these arguments, this build and this
// working directory (ngx_process_options).
func Locate(argv []string, v Version, cwd string) Files {
	o := ParseOptions(argv)
	prefix := o.Prefix
	if prefix == "" {
		prefix = v.Setting("--prefix")
	}
	if prefix == "" {
		prefix = "/usr/local/nginx" // auto/options
	}
	// Before 1.3.5 a name was put behind -p as it is.
	joined := o.Prefix != "" && !strings.HasSuffix(o.Prefix, "/") && v.OlderThan(1, 3, 5)
	prefix = absolute(prefix, cwd)
	if !joined {
		prefix += "/"
	}
	f := Files{Config: o.Config, PID: v.Setting("--pid-path"), prefix: prefix, global: o.Globals}
	if f.Config == "" {
		f.Config = v.Setting("--conf-path")
	}
	if f.Config == "" {
		f.Config = "conf/nginx.conf"
	}
	if f.PID == "" {
		f.PID = "logs/nginx.pid"
	}
	f.Config, f.PID = behind(prefix, f.Config), behind(prefix, f.PID)
	return f
}

func absolute(path, base string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(base, path)
}

// behind is ngx_conf_full_name: the prefix ends in a slash or means what it says.
func behind(prefix, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Clean(prefix + path)
}

// maxConfig bounds what is read of the main configuration file, in bytes.
const maxConfig = 4 << 20

// ConfiguredPID returns the pid file that the configuration on disk names: by
// -g, by the main file (files that it includes are not followed), or else the
// build's default.
func (f Files) ConfiguredPID(root *Root) (string, error) {
	file, err := root.Open(f.Config)
	if err != nil {
		return "", fmt.Errorf("cannot read the configuration: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxConfig))
	if err != nil {
		return "", fmt.Errorf("cannot read the configuration: %w", err)
	}
	for _, source := range []string{f.global, string(text)} {
		if path := findPID(source); path != "" {
			return behind(f.prefix, path), nil
		}
	}
	return f.PID, nil
}
