package bus

import (
	"fmt"
	"strings"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/introspect"
)

// call is one method call. It is what godbus looks objects, interfaces and
// methods up in; nothing is refused before all is known, so that the words are
// ours.
type call struct {
	conn          *connection
	path          dbus.ObjectPath
	iface, member string
	sender        string // "" on a private connection
	flags         dbus.Flags
	signature     string
	body          []any
}

// LookupObject is what a connection calls first.
func (c *connection) LookupObject(path dbus.ObjectPath) (dbus.ServerObject, bool) {
	return &call{conn: c, path: path}, true
}

// LookupInterface comes second.
func (c *call) LookupInterface(name string) (dbus.Interface, bool) {
	c.iface = name
	return c, true
}

// LookupMethod comes third.
func (c *call) LookupMethod(name string) (dbus.Method, bool) {
	c.member = name
	return c, true
}

// DecodeArguments comes fourth.
func (c *call) DecodeArguments(_ *dbus.Conn, sender string, msg *dbus.Message, args []any) ([]any, error) {
	c.sender, c.flags, c.body = sender, msg.Flags, args
	if signature, ok := msg.Headers[dbus.FieldSignature].Value().(dbus.Signature); ok {
		c.signature = signature.String()
	}
	return nil, nil
}

// Call comes last.
func (c *call) Call(...any) ([]any, error) {
	results, err := c.within()
	if c.flags&dbus.FlagNoReplyExpected != 0 {
		return nil, nil // godbus would send an error all the same
	}
	return results, err
}

// within answers within the limits.
func (c *call) within() ([]any, error) {
	most := callsAtOnce + len(c.conn.server.Instances())
	if !c.conn.limits.enter(c.sender, most) {
		return nil, refusal("LimitsExceeded", "%d calls of yours are not answered yet; wait for the answers", most)
	}
	defer c.conn.limits.leave(c.sender)
	return c.conn.server.answer(c)
}

// The rest of dbus.Method is for decoders of arguments other than ours.

// NumArguments is of no interest.
func (c *call) NumArguments() int { return 0 }

// NumReturns is of no interest.
func (c *call) NumReturns() int { return 0 }

// ArgumentValue is of no interest.
func (c *call) ArgumentValue(int) any { return nil }

// ReturnValue is of no interest.
func (c *call) ReturnValue(int) any { return nil }

// answer finds the method and calls it.
func (s *Server) answer(c *call) ([]any, error) {
	facets, ok := s.facets(c.path)
	if !ok {
		return nil, refusal("UnknownObject", "there is no object %s; %s.ListInstances tells which there are", c.path, ManagerInterface)
	}
	known := c.iface == ""
	for _, f := range facets {
		if c.iface != "" && f.about.Name != c.iface {
			continue
		}
		known = true
		if method := f.methods[c.member]; method != nil {
			if want := inSignature(f.about, c.member); want != c.signature {
				return nil, invalid("%s takes %s, not %s", c.member, argumentsText(want), argumentsText(c.signature))
			}
			return method(c)
		}
	}
	if !known {
		return nil, refusal("UnknownInterface", "%s has no interface %s", c.path, c.iface)
	}
	return nil, refusal("UnknownMethod", "%s has no method %s", c.path, strings.TrimPrefix(c.iface+"."+c.member, "."))
}

func argumentsText(signature string) string {
	if signature == "" {
		return "no arguments"
	}
	return "the arguments " + signature
}

func inSignature(about *introspect.Interface, member string) string {
	var b strings.Builder
	for _, m := range about.Methods {
		for _, a := range m.Args {
			if m.Name == member && a.Direction == "in" {
				b.WriteString(a.Type)
			}
		}
	}
	return b.String()
}

// refusal is one of the errors that D-Bus has names for.
func refusal(name, format string, args ...any) error {
	return dbus.NewError("org.freedesktop.DBus.Error."+name, []any{clean(fmt.Sprintf(format, args...))})
}

func invalid(format string, args ...any) error { return refusal("InvalidArgs", format, args...) }

func failed(err error) error { return refusal("Failed", "%v", err) }
