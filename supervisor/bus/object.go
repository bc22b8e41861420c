package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/introspect"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// manager is the object that knows the instances.
type manager struct {
	instances func() []*supervisor.Supervisor
	reload    func() error
}

// Reload is the D-Bus method of that name: it reads the configuration anew. On
// an error the old one stays.
func (m *manager) Reload() *dbus.Error {
	if err := m.reload(); err != nil {
		return dbus.MakeFailedError(err)
	}
	return nil
}

// Listed is one instance as ListInstances returns it: its name, its pid file
// (empty for one that is found by its unit) and its object.
type Listed struct {
	Name    string
	PIDFile string
	Path    dbus.ObjectPath
}

// ListInstances is the D-Bus method of that name.
func (m *manager) ListInstances() ([]Listed, *dbus.Error) {
	list := []Listed{}
	for _, s := range m.instances() {
		list = append(list, Listed{s.Name(), s.PIDFile(), InstancePath(s.Name())})
	}
	return list, nil
}

// object is one instance. ctx is that of the connection, daemon that of the
// server.
type object struct {
	ctx, daemon context.Context
	instance    *supervisor.Supervisor
}

// Upgrade is the D-Bus method of that name. Options: origin (s), wait (s),
// dry-run (b), force (b), if-running (b). Like the other methods it answers
// with the exit status of the command of the same name, a sentence, the id of
// the cycle and its result.
func (o *object) Upgrade(options map[string]dbus.Variant) (int32, string, string, string, *dbus.Error) {
	return o.do(supervisor.ActionUpgrade, options)
}

// Rollback is the D-Bus method of that name. Options: origin (s), wait (s),
// to (s).
func (o *object) Rollback(options map[string]dbus.Variant) (int32, string, string, string, *dbus.Error) {
	return o.do(supervisor.ActionRollback, options)
}

// Confirm is the D-Bus method of that name.
func (o *object) Confirm() (int32, string, string, string, *dbus.Error) {
	return o.do(supervisor.ActionConfirm, nil)
}

// Hold is the D-Bus method of that name.
func (o *object) Hold() (int32, string, string, string, *dbus.Error) {
	return o.do(supervisor.ActionHold, nil)
}

// Unhold is the D-Bus method of that name.
func (o *object) Unhold() (int32, string, string, string, *dbus.Error) {
	return o.do(supervisor.ActionUnhold, nil)
}

func (o *object) do(action supervisor.Action, options map[string]dbus.Variant) (int32, string, string, string, *dbus.Error) {
	r, err := requestOf(options)
	if err != nil {
		return 0, "", "", "", dbus.NewError("org.freedesktop.DBus.Error.InvalidArgs", []any{err.Error()})
	}
	r.Action = action
	ctx := o.ctx
	if r.Origin.IsPackage() {
		ctx = o.daemon // a hook does not wait for long, and it is done all the same
	}
	out, err := o.instance.Do(ctx, r)
	if err != nil {
		return 0, "", "", "", dbus.MakeFailedError(err)
	}
	return int32(out.Code), out.Text, out.Cycle, string(out.Result), nil
}

func requestOf(options map[string]dbus.Variant) (supervisor.Request, error) {
	r := supervisor.Request{Origin: supervisor.OriginBus, Wait: supervisor.WaitVerdict}
	for key, value := range options {
		var err error
		switch key {
		case "origin":
			err = value.Store((*string)(&r.Origin))
		case "wait":
			err = value.Store((*string)(&r.Wait))
		case "dry-run":
			err = value.Store(&r.DryRun)
		case "force":
			err = value.Store(&r.Force)
		case "to":
			err = value.Store(&r.To)
		case "if-running":
			err = value.Store(&r.IfRunning)
		default:
			err = fmt.Errorf("it is unknown")
		}
		if err != nil {
			return r, fmt.Errorf("option %q: %w", key, err)
		}
	}
	return r, r.Validate()
}

// Types of structured properties.
type (
	// RunningProperty is (version, SHA-256, path, since in µs of the epoch).
	RunningProperty struct {
		Version, SHA256, Path string
		Since                 uint64
	}
	// DiskProperty is (version, SHA-256).
	DiskProperty struct{ Version, SHA256 string }
	// MasterProperty is (pid, role, version, workers).
	MasterProperty struct {
		PID           uint32
		Role, Version string
		Workers       []WorkerProperty
	}
	// WorkerProperty is (pid, draining, connections).
	WorkerProperty struct {
		PID         uint32
		Draining    bool
		Connections uint32
	}
	// LastProperty is (id, result, reason, finished in µs of the epoch); the
	// id is empty before the first cycle.
	LastProperty struct {
		ID, Result, Reason string
		Finished           uint64
	}
)

// properties answers org.freedesktop.DBus.Properties. The state is looked at
// when it is asked for.
type properties struct{ instance *supervisor.Supervisor }

// GetAll is the standard method.
func (p *properties) GetAll(iface string) (map[string]dbus.Variant, *dbus.Error) {
	if iface != InstanceInterface {
		e := dbus.MakeUnknownInterfaceError(iface)
		return nil, &e
	}
	return variants(p.instance.Status()), nil
}

// Get is the standard method.
func (p *properties) Get(iface, name string) (dbus.Variant, *dbus.Error) {
	all, err := p.GetAll(iface)
	if err != nil {
		return dbus.Variant{}, err
	}
	v, ok := all[name]
	if !ok {
		return dbus.Variant{}, dbus.NewError("org.freedesktop.DBus.Error.UnknownProperty", []any{fmt.Sprintf("no property %q", name)})
	}
	return v, nil
}

// Set is the standard method; nothing can be set.
func (p *properties) Set(_, name string, _ dbus.Variant) *dbus.Error {
	return dbus.NewError("org.freedesktop.DBus.Error.PropertyReadOnly", []any{fmt.Sprintf("property %q is read-only", name)})
}

func variants(s supervisor.Status) map[string]dbus.Variant {
	masters := make([]MasterProperty, len(s.Masters))
	for i, m := range s.Masters {
		masters[i] = MasterProperty{uint32(m.PID), m.Role, m.Version, make([]WorkerProperty, len(m.Workers))}
		for j, w := range m.Workers {
			masters[i].Workers[j] = WorkerProperty{uint32(w.PID), w.Draining, uint32(w.Connections)}
		}
	}
	var last LastProperty
	if s.Last != nil {
		last = LastProperty{s.Last.ID, string(s.Last.Result), s.Last.Reason, microseconds(s.Last.Finished)}
	}
	return map[string]dbus.Variant{
		"Name":    dbus.MakeVariant(s.Name),
		"Unit":    dbus.MakeVariant(s.Unit),
		"MainPID": dbus.MakeVariant(uint32(s.MainPID)),
		"Phase":   dbus.MakeVariant(string(s.Phase)),
		"Running": dbus.MakeVariant(RunningProperty{s.Running.Version, s.Running.SHA256, s.Running.Path, microseconds(s.Running.Since)}),
		"Disk":    dbus.MakeVariant(DiskProperty{s.Disk.Version, s.Disk.SHA256}),
		"Pending": dbus.MakeVariant(s.Pending),
		"Held":    dbus.MakeVariant(s.Held),
		"Reason":  dbus.MakeVariant(s.Reason),
		"Alert":   dbus.MakeVariant(s.Alert),
		"Masters": dbus.MakeVariant(masters),
		"Last":    dbus.MakeVariant(last),
	}
}

func microseconds(t *time.Time) uint64 {
	if t == nil || t.IsZero() {
		return 0
	}
	return uint64(t.UnixMicro())
}

var managerNode = &introspect.Node{
	Name: string(ManagerPath),
	Interfaces: []introspect.Interface{introspect.IntrospectData, {
		Name: ManagerInterface,
		Methods: []introspect.Method{{Name: "ListInstances", Args: []introspect.Arg{
			{Name: "instances", Type: "a(sso)", Direction: "out"}}}, {Name: "Reload"}},
	}},
}

// answerArgs is what every method answers.
var answerArgs = []introspect.Arg{
	{Name: "code", Type: "i", Direction: "out"}, {Name: "text", Type: "s", Direction: "out"},
	{Name: "cycle", Type: "s", Direction: "out"}, {Name: "result", Type: "s", Direction: "out"},
}

var instanceNode = &introspect.Node{
	Interfaces: []introspect.Interface{introspect.IntrospectData, {
		Name: InstanceInterface,
		Methods: []introspect.Method{
			{Name: "Upgrade", Args: append([]introspect.Arg{{Name: "options", Type: "a{sv}", Direction: "in"}}, answerArgs...)},
			{Name: "Rollback", Args: append([]introspect.Arg{{Name: "options", Type: "a{sv}", Direction: "in"}}, answerArgs...)},
			{Name: "Confirm", Args: answerArgs}, {Name: "Hold", Args: answerArgs}, {Name: "Unhold", Args: answerArgs},
		},
		Properties: []introspect.Property{
			{Name: "Name", Type: "s", Access: "read"}, {Name: "Unit", Type: "s", Access: "read"},
			{Name: "MainPID", Type: "u", Access: "read"}, {Name: "Phase", Type: "s", Access: "read"},
			{Name: "Running", Type: "(ssst)", Access: "read"}, {Name: "Disk", Type: "(ss)", Access: "read"},
			{Name: "Pending", Type: "b", Access: "read"}, {Name: "Held", Type: "b", Access: "read"},
			{Name: "Reason", Type: "s", Access: "read"}, {Name: "Alert", Type: "s", Access: "read"}, {Name: "Masters", Type: "a(ussa(ubu))", Access: "read"},
			{Name: "Last", Type: "(ssst)", Access: "read"},
		},
	}},
}

// They are made once: NewIntrospectable writes to the node that it is given,
// and connections are served at the same time.
var (
	managerIntrospection  = introspect.NewIntrospectable(managerNode)
	instanceIntrospection = introspect.NewIntrospectable(instanceNode)
)
