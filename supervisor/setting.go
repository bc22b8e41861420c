package supervisor

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

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

// maxCount is more than anybody means.
const maxCount = 1 << 20

func setCount(to *int, least int) setting {
	return func(value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < least || n > maxCount {
			return fmt.Errorf("not a number from %d to %d: %q", least, maxCount, value)
		}
		*to = n
		return nil
	}
}

// unitName and unitPattern are what systemd.unit(5) allows, for services.
var (
	unitName    = regexp.MustCompile(`^[A-Za-z0-9:_.\\-][A-Za-z0-9:_.\\@-]*\.service$`)
	unitPattern = regexp.MustCompile(`^[A-Za-z0-9:_.\\@*?\[\]-]+$`)
)

// setPatterns appends; an empty value clears the list, as in unit files.
func setPatterns(to *[]string) setting {
	return func(value string) error {
		words := strings.Fields(value)
		if len(words) == 0 {
			*to = []string{}
			return nil
		}
		for _, word := range words {
			if _, err := path.Match(word, ""); err != nil || !unitPattern.MatchString(word) {
				return fmt.Errorf("not a pattern of unit names: %q", word)
			}
		}
		*to = append(*to, words...)
		return nil
	}
}

func setUnit(to *string) setting {
	return func(value string) error {
		if !unitName.MatchString(value) {
			return fmt.Errorf("not the name of a service unit: %q", value)
		}
		*to = value
		return nil
	}
}

// orNone is a setting that an empty value unsets, as in systemd's own files.
func orNone(to *string, set func(*string) setting) setting {
	return func(value string) error {
		if value == "" {
			*to = ""
			return nil
		}
		return set(to)(value)
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
