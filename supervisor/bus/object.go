package bus

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// instanceFacet is what an instance can do. Its acting methods answer with the
// exit status of the command of the same name, a sentence, the id of the cycle
// and its result.
func instanceFacet(s *supervisor.Supervisor) *facet {
	asks := func(action supervisor.Action, grant string) handling {
		return func(c *call) ([]any, error) { return ask(c, s, action, grant) }
	}
	return &facet{
		about: instanceInterface,
		methods: map[string]handling{
			"Upgrade":  asks(supervisor.ActionUpgrade, actionUpgrade),
			"Rollback": asks(supervisor.ActionRollback, actionUpgrade),
			"Confirm":  asks(supervisor.ActionConfirm, actionUpgrade),
			"Hold":     asks(supervisor.ActionHold, actionManage),
			"Unhold":   asks(supervisor.ActionUnhold, actionManage),
		},
		read: func() map[string]dbus.Variant { return variants(s.Status()) },
	}
}

// ask makes a call a request. What is wrong with it is said before a person is
// asked for a password.
func ask(c *call, s *supervisor.Supervisor, action supervisor.Action, grant string) ([]any, error) {
	var options map[string]dbus.Variant
	if len(c.body) > 0 {
		if err := dbus.Store(c.body, &options); err != nil {
			return nil, invalid("%v", err)
		}
	}
	r, err := requestOf(action, options)
	if err != nil {
		return nil, invalid("%v", err)
	}
	if !c.conn.private() && r.Origin != supervisor.OriginBus && r.Origin != supervisor.OriginCLI {
		return nil, invalid("option %q: %q is not for the system bus", "origin", r.Origin)
	}
	if err := c.conn.authorize(c, grant, s.Name()); err != nil {
		return nil, err
	}
	ctx := c.conn.ctx
	if r.Origin.IsPackage() {
		ctx = c.conn.daemon // a hook does not wait for long, and it is done all the same
	}
	ctx, done := c.conn.server.whileThere(ctx, s)
	defer done()
	out, err := s.Do(ctx, r)
	if err != nil {
		return nil, failed(err)
	}
	return []any{int32(out.Code), clean(out.Text), clean(out.Cycle), clean(string(out.Result))}, nil
}

// requestOf refuses an option that the method does not have: a rollback that was
// asked for with dry-run would be one all the same.
func requestOf(action supervisor.Action, options map[string]dbus.Variant) (supervisor.Request, error) {
	r := supervisor.Request{Action: action, Origin: supervisor.OriginBus, Wait: supervisor.WaitVerdict}
	into := map[string]any{"origin": (*string)(&r.Origin), "wait": (*string)(&r.Wait)}
	switch action {
	case supervisor.ActionUpgrade:
		into["dry-run"], into["force"], into["from-reload"], into["if-running"] = &r.DryRun, &r.Force, &r.FromReload, &r.IfRunning
	case supervisor.ActionRollback:
		into["to"] = &r.To
	}
	for key, value := range options {
		to, ok := into[key]
		if !ok {
			return r, fmt.Errorf("option %q is unknown, it is one of %s", key, strings.Join(slices.Sorted(maps.Keys(into)), ", "))
		}
		if err := value.Store(to); err != nil {
			return r, fmt.Errorf("option %q has the type %s, not %s", key, value.Signature(), dbus.SignatureOf(to))
		}
	}
	return r, r.Validate()
}

// instanceAt finds the instance of an object.
func (s *Server) instanceAt(path dbus.ObjectPath) (*supervisor.Supervisor, bool) {
	name, ok := InstanceName(path)
	if !ok {
		return nil, false
	}
	all := s.Instances()
	i := slices.IndexFunc(all, func(s *supervisor.Supervisor) bool { return s.Name() == name })
	if i < 0 {
		return nil, false
	}
	return all[i], true
}
