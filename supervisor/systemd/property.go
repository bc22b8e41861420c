package systemd

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// properties is what Properties.GetAll answers. Reading one that is absent, as
// on an older systemd, gives the zero value.
type properties map[string]dbus.Variant

func (p properties) text(name string) string {
	s, _ := p[name].Value().(string)
	return s
}

func (p properties) uint32(name string) uint32 {
	n, _ := p[name].Value().(uint32)
	return n
}

func (p properties) uint64(name string) uint64 {
	n, _ := p[name].Value().(uint64)
	return n
}

// time reads a time stamp in microseconds since the epoch, zero for never.
func (p properties) time(name string) time.Time {
	usec := p.uint64(name)
	if usec == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(usec))
}

func (p properties) texts(name string) []string {
	l, _ := p[name].Value().([]string)
	return l
}

// argv is the argument vector of the first command of an Exec property,
// a(sasbttttuii) or, in the Ex variant, a(sasasttttuii).
func (p properties) argv(name string) []string {
	cmds, _ := p[name].Value().([][]any)
	if len(cmds) == 0 || len(cmds[0]) < 2 {
		return nil
	}
	argv, _ := cmds[0][1].([]string)
	return argv
}

// mentions reports whether an argument of any command of an Exec property has a
// text in it.
func (p properties) mentions(name, text string) bool {
	cmds, _ := p[name].Value().([][]any)
	for _, cmd := range cmds {
		if len(cmd) < 2 {
			continue
		}
		argv, _ := cmd[1].([]string)
		if slices.ContainsFunc(argv, func(arg string) bool { return strings.Contains(arg, text) }) {
			return true
		}
	}
	return false
}

// flags is the list of flags ("privileged", "no-setuid", ...) of the first
// command of an Ex variant.
func (p properties) flags(name string) []string {
	cmds, _ := p[name].Value().([][]any)
	if len(cmds) == 0 || len(cmds[0]) < 3 {
		return nil
	}
	flags, _ := cmds[0][2].([]string)
	return flags
}

// settable makes a property that was read into one that can be written. A
// decoded struct is a []any, and sent back as it is it would go out as an array
// of variants, or, with its old signature, as a malformed message for which the
// bus drops the connection. So the value moves into a Go type that is built from
// the signature.
func settable(v dbus.Variant) (dbus.Variant, error) {
	sig := v.Signature().String()
	t, rest, err := typeOf(sig)
	if err != nil {
		return v, err
	}
	if rest != "" {
		return v, fmt.Errorf("signature %q has more than one type", sig)
	}
	dest := reflect.New(t)
	if err := dbus.Store([]any{v.Value()}, dest.Interface()); err != nil {
		return v, err
	}
	return dbus.MakeVariant(dest.Elem().Interface()), nil
}

var basicTypes = map[byte]reflect.Type{
	'y': reflect.TypeFor[byte](),
	'b': reflect.TypeFor[bool](),
	'n': reflect.TypeFor[int16](),
	'q': reflect.TypeFor[uint16](),
	'i': reflect.TypeFor[int32](),
	'u': reflect.TypeFor[uint32](),
	'x': reflect.TypeFor[int64](),
	't': reflect.TypeFor[uint64](),
	'd': reflect.TypeFor[float64](),
	's': reflect.TypeFor[string](),
	'o': reflect.TypeFor[dbus.ObjectPath](),
	'g': reflect.TypeFor[dbus.Signature](),
	'v': reflect.TypeFor[dbus.Variant](),
}

// typeOf gives the Go type of the first type in a signature, and the rest.
func typeOf(sig string) (t reflect.Type, rest string, err error) {
	if sig == "" {
		return nil, "", fmt.Errorf("signature ends early")
	}
	if t, ok := basicTypes[sig[0]]; ok {
		return t, sig[1:], nil
	}
	switch {
	case sig[0] == '(':
		return structOf(sig[1:])
	case sig[0] == 'a' && len(sig) > 1 && sig[1] == '{':
		return mapOf(sig[2:])
	case sig[0] == 'a':
		elem, rest, err := typeOf(sig[1:])
		if err != nil {
			return nil, "", err
		}
		return reflect.SliceOf(elem), rest, nil
	}
	return nil, "", fmt.Errorf("cannot write a property of signature %q", sig)
}

// structOf reads up to the closing parenthesis.
func structOf(sig string) (reflect.Type, string, error) {
	var fields []reflect.StructField
	for {
		if sig != "" && sig[0] == ')' {
			return reflect.StructOf(fields), sig[1:], nil
		}
		t, rest, err := typeOf(sig)
		if err != nil {
			return nil, "", err
		}
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%d", len(fields)), Type: t})
		sig = rest
	}
}

// mapOf reads key, value and the closing brace.
func mapOf(sig string) (reflect.Type, string, error) {
	key, sig, err := typeOf(sig)
	if err != nil {
		return nil, "", err
	}
	val, sig, err := typeOf(sig)
	if err != nil {
		return nil, "", err
	}
	if sig == "" || sig[0] != '}' || !key.Comparable() {
		return nil, "", fmt.Errorf("malformed dictionary signature")
	}
	return reflect.MapOf(key, val), sig[1:], nil
}

// isEmpty reports whether a value says nothing: an empty text or list, or a
// struct of such (SELinuxContext is (false, "") when unset). Numbers always say
// something.
func isEmpty(v any) bool {
	return emptyValue(reflect.ValueOf(v))
}

func emptyValue(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.String, reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		for _, f := range v.Fields() {
			if f.Kind() == reflect.Bool && f.Bool() || f.Kind() != reflect.Bool && !emptyValue(f) {
				return false
			}
		}
		return true
	}
	return false
}
