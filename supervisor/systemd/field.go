package systemd

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

const (
	fieldPrefix = "NGINX_HOTSWAP_"
	// fieldLimit is journald's own for a name (journal_field_valid).
	fieldLimit = 64
)

// fields are journal fields by name.
type fields map[string]string

// add puts an attribute into the fields. A group's members get its name in
// front, a group without a name is inlined, and an empty attribute is left out,
// as slog.Handler demands.
func (f fields) add(groups []string, a slog.Attr) {
	v := a.Value.Resolve()
	if a.Key == "" && v.Kind() != slog.KindGroup {
		return
	}
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			groups = append(groups[:len(groups):len(groups)], a.Key)
		}
		for _, member := range v.Group() {
			f.add(groups, member)
		}
		return
	}
	name := fieldName(groups, a.Key)
	f[name] = fieldValue(name, v)
}

// fieldName gives the journal field of an attribute. A key that is a journal
// field name already (MESSAGE_ID, OBJECT_PID) stays as it is, whatever the
// group; any other becomes NGINX_HOTSWAP_GROUP_KEY, in the characters that
// journald accepts.
func fieldName(groups []string, key string) string {
	if isField(key) && !reserved[key] {
		return key
	}
	var b strings.Builder
	b.WriteString(fieldPrefix)
	for _, g := range groups {
		b.WriteString(upper(g) + "_")
	}
	b.WriteString(strings.TrimPrefix(upper(key), fieldPrefix))
	return b.String()[:min(b.Len(), fieldLimit)]
}

// reserved fields are the handler's own.
var reserved = map[string]bool{"MESSAGE": true, "PRIORITY": true, "SYSLOG_IDENTIFIER": true}

// isField follows journal_field_valid in systemd: upper-case letters, digits
// and underscores, no digit and no underscore in front, 64 characters at most.
func isField(name string) bool {
	if name == "" || len(name) > fieldLimit || name[0] < 'A' || name[0] > 'Z' {
		return false
	}
	return name == upper(name)
}

// upper replaces what a field name cannot have.
func upper(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, s)
}

// fieldValue writes a value. Durations are microseconds in a field that says so
// by its name, as systemd's own fields are.
func fieldValue(name string, v slog.Value) string {
	switch v.Kind() {
	case slog.KindDuration:
		if strings.HasSuffix(name, "_USEC") {
			return strconv.FormatInt(v.Duration().Microseconds(), 10)
		}
	case slog.KindTime:
		return v.Time().Format(time.RFC3339Nano)
	case slog.KindAny:
		return anyValue(v.Any())
	}
	return v.String()
}

// anyValue leaves errors and Stringers to fmt, which survives their panics.
func anyValue(v any) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}
