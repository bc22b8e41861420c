package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	polkitName      = "org.freedesktop.PolicyKit1"
	polkitPath      = dbus.ObjectPath("/org/freedesktop/PolicyKit1/Authority")
	polkitInterface = polkitName + ".Authority"

	allowInteraction = uint32(1) // of CheckAuthorization

	// askLimit is for a bus that does not answer, passwordLimit for a person
	// that does not.
	askLimit      = 25 * time.Second
	passwordLimit = 5 * time.Minute
)

// authority asks who may do what, over the connection that it is given.
type authority struct{ conn *dbus.Conn }

// check asks polkit. Where that does not answer, and where there is none, only
// root may act.
func (a *authority) check(ctx context.Context, c *call, action, instance string) error {
	interactive := c.flags&dbus.FlagAllowInteractiveAuthorization != 0
	limit, flags := askLimit, uint32(0)
	if interactive {
		limit, flags = passwordLimit, allowInteraction
	}
	asking, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	subject := struct {
		Kind    string
		Details map[string]dbus.Variant
	}{"system-bus-name", map[string]dbus.Variant{"name": dbus.MakeVariant(c.sender)}}
	details := map[string]string{"method": c.member}
	if instance != "" {
		details["instance"] = clean(instance)
	}
	var answer struct {
		Authorized, Challenge bool
		Details               map[string]string
	}
	err := a.conn.Object(polkitName, polkitPath).
		CallWithContext(asking, polkitInterface+".CheckAuthorization", 0, subject, action, details, flags, "").Store(&answer)
	switch {
	case err != nil:
		return a.withoutPolkit(ctx, c, action, err)
	case answer.Authorized:
		return nil
	case answer.Challenge && !interactive:
		return refusal("InteractiveAuthorizationRequired", "polkit wants a password for %s; let it ask for one (as busctl does by itself), or be root", action)
	}
	return denied("polkit does not let you do %s; be root, or let an administrator add a rule", action)
}

// withoutPolkit is what is left when polkit could not be asked.
func (a *authority) withoutPolkit(ctx context.Context, c *call, action string, err error) error {
	refused := a.root(ctx, c)
	if refused != nil && !polkitAbsent(err) {
		return denied("cannot ask polkit whether you may do %s: %v; be root, or look at `systemctl status polkit`", action, err)
	}
	return refused
}

// root lets root alone act.
func (a *authority) root(ctx context.Context, c *call) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var uid uint32
	err := a.conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetConnectionUnixUser", 0, c.sender).Store(&uid)
	if err != nil {
		return denied("cannot tell who calls: %v", err)
	}
	if uid != 0 {
		return denied("only root may do this")
	}
	return nil
}

// polkitAbsent reports whether there is nobody who could be asked.
func polkitAbsent(err error) bool {
	e, ok := errors.AsType[dbus.Error](err)
	if !ok {
		return false
	}
	switch e.Name {
	case "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner",
		"org.freedesktop.systemd1.NoSuchUnit", "org.freedesktop.systemd1.UnitMasked":
		return true
	}
	return false
}

func denied(format string, args ...any) error {
	return refusal("AccessDenied", "%s", fmt.Sprintf(format, args...))
}
