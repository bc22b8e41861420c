package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/coreos/go-systemd/v22/unit"
)

// ConfigFile is where the configuration begins. Drop-ins are in
// nginx-hotswap.conf.d/*.conf beside it, instances in instance.d/*.conf.
const ConfigFile = "/etc/nginx-hotswap/nginx-hotswap.conf"

// Warning is something in a configuration file that was ignored.
type Warning struct {
	File string
	Text string
}

func (w Warning) String() string { return w.File + ": " + w.Text }

// LoadConfig reads the configuration. A file that is not there leaves the
// defaults. Unknown sections and keys are ignored with a warning, as systemd
// does; a value that cannot be read is an error, and then nothing of the new
// configuration may be used.
func LoadConfig(file string) (Config, []Warning, error) {
	c := Defaults()
	var warnings []Warning
	// A list that is set in a file replaces the default and is appended to
	// by what follows.
	defaults := c.Units
	c.Units = nil
	files := []string{file}
	dropIns, err := confFiles(file + ".d")
	if err != nil {
		return Config{}, nil, err
	}
	for _, f := range append(files, dropIns...) {
		w, err := readConfig(f, c.section)
		if errors.Is(err, fs.ErrNotExist) && f == file {
			continue
		}
		if err != nil {
			return Config{}, nil, err
		}
		if err := c.Upgrade.checkProbes(f); err != nil {
			return Config{}, nil, err
		}
		warnings = append(warnings, w...)
	}
	if c.Units == nil {
		c.Units = defaults
	}
	more, err := c.loadInstances(filepath.Join(filepath.Dir(file), "instance.d"))
	if err != nil {
		return Config{}, nil, err
	}
	return c, append(warnings, more...), nil
}

// loadInstances reads the files of a directory.
func (c *Config) loadInstances(dir string) ([]Warning, error) {
	files, err := confFiles(dir)
	if err != nil {
		return nil, err
	}
	var warnings []Warning
	names := make(map[string]string)
	for _, f := range files {
		i, w, err := loadInstance(f, c.Upgrade)
		if err != nil {
			return nil, err
		}
		if other := names[i.Name]; other != "" {
			return nil, fmt.Errorf("%s and %s both describe the instance %q; give one another Name=", other, f, i.Name)
		}
		names[i.Name] = f
		warnings = append(warnings, w...)
		c.Instances = append(c.Instances, i)
	}
	return warnings, nil
}

// loadInstance reads one file of instance.d. It is named after its unit or by
// Name=, else after its file.
func loadInstance(file string, common UpgradeConfig) (InstanceConfig, []Warning, error) {
	i := InstanceConfig{Upgrade: common}
	i.Upgrade.Probes = nil // those of its own take the place of the common ones
	warnings, err := readConfig(file, i.section)
	if err != nil {
		return i, nil, err
	}
	if err := i.Upgrade.checkProbes(file); err != nil {
		return i, nil, err
	}
	if i.Upgrade.Probes == nil {
		i.Upgrade.Probes = common.Probes
	}
	base := strings.TrimSuffix(filepath.Base(file), ".conf")
	switch {
	case i.Unit != "" && i.PIDFile != "":
		return i, nil, fmt.Errorf("%s: Unit= and PIDFile= exclude each other: a unit says itself where its pid file is", file)
	case i.Unit == "" && i.PIDFile == "":
		if err := setUnit(&i.Unit)(base + ".service"); err != nil {
			return i, nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	if i.TrustedOwner != "" {
		if _, err := uidOf(i.TrustedOwner); err != nil {
			warnings = append(warnings, Warning{File: file, Text: fmt.Sprintf("[Instance] TrustedOwner=%s trusts nobody: %v", i.TrustedOwner, err)})
		}
	}
	if i.Name == "" && i.Unit != "" {
		i.Name = InstanceName(i.Unit)
	}
	if i.Name == "" {
		if err := setName(&i.Name)(base); err != nil {
			return i, nil, fmt.Errorf("%s: %w; give it one by Name=", file, err)
		}
	}
	return i, warnings, nil
}

func confFiles(dir string) ([]string, error) {
	entries, err := readDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".conf") && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}

// maxConfigFile bounds a configuration file, in bytes.
const maxConfigFile = 1 << 20

func readConfig(file string, known sections) ([]Warning, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	defer f.Close()
	parsed, warnings, err := parseConfig(f)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %s: %w", file, err)
	}
	for i := range warnings {
		warnings[i].File = file
	}
	for _, s := range parsed {
		keys := known(s.Section)
		if keys == nil {
			warnings = append(warnings, Warning{file, unknownSection(s.Section)})
			continue
		}
		for _, entry := range s.Entries {
			assign, ok := keys[entry.Name]
			if !ok {
				warnings = append(warnings, Warning{file, unknownKey(s.Section, entry.Name, keys)})
				continue
			}
			// A line that ends with a backslash goes on in the next.
			value := strings.TrimSpace(strings.ReplaceAll(entry.Value, "\\\n", " "))
			if err := assign(value); err != nil {
				return nil, fmt.Errorf("%s: [%s] %s=: %w", file, s.Section, entry.Name, err)
			}
		}
	}
	return warnings, nil
}

// parseConfig reads the sections of a file. What stands before the first
// section is ignored with a warning.
func parseConfig(f io.Reader) ([]*unit.UnitSection, []Warning, error) {
	text, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	switch {
	case err != nil:
		return nil, nil, err
	case len(text) > maxConfigFile:
		return nil, nil, fmt.Errorf("it is larger than %d bytes", maxConfigFile)
	case bytes.IndexByte(text, 0) >= 0 || !utf8.Valid(text):
		return nil, nil, errors.New("it is no text in UTF-8")
	}
	sections, err := unit.DeserializeSections(bytes.NewReader(text))
	if err != nil {
		return nil, nil, err
	}
	var warnings []Warning
	if line := beforeSection(text); line != "" {
		warnings = append(warnings, Warning{Text: fmt.Sprintf("%q is ignored: it stands before any section", line)})
	}
	return sections, warnings, nil
}

// beforeSection returns the first line that belongs to no section. The parser
// passes over such lines in silence.
func beforeSection(text []byte) string {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0 || line[0] == '#' || line[0] == ';':
			continue
		case line[0] == '[':
			return ""
		}
		return string(line)
	}
	return ""
}
