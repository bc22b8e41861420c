package bus

import (
	"encoding/xml"
	"slices"

	"github.com/godbus/dbus/v5/introspect"
)

// Interfaces are what there is besides what every object has.
func Interfaces() []introspect.Interface {
	return []introspect.Interface{*managerInterface, *instanceInterface, *logControlInterface}
}

const emitsChanged = "org.freedesktop.DBus.Property.EmitsChangedSignal"

func in(name, kind string) introspect.Arg {
	return introspect.Arg{Name: name, Type: kind, Direction: "in"}
}
func out(name, kind string) introspect.Arg {
	return introspect.Arg{Name: name, Type: kind, Direction: "out"}
}
func arg(name, kind string) introspect.Arg { return introspect.Arg{Name: name, Type: kind} }

// readable is a property that cannot be set.
func readable(name, kind, emits string) introspect.Property {
	return introspect.Property{Name: name, Type: kind, Access: "read", Annotations: []introspect.Annotation{{Name: emitsChanged, Value: emits}}}
}

var managerInterface = &introspect.Interface{
	Name: ManagerInterface,
	Methods: []introspect.Method{
		{Name: "ListInstances", Args: []introspect.Arg{out("instances", "a(sso)")}},
		{Name: "Reload"},
	},
}

// answerArgs is what every acting method answers.
var answerArgs = []introspect.Arg{out("code", "i"), out("text", "s"), out("cycle", "s"), out("result", "s")}

var instanceInterface = &introspect.Interface{
	Name: InstanceInterface,
	Methods: []introspect.Method{
		{Name: "Upgrade", Args: slices.Insert(slices.Clone(answerArgs), 0, in("options", "a{sv}"))},
		{Name: "Rollback", Args: slices.Insert(slices.Clone(answerArgs), 0, in("options", "a{sv}"))},
		{Name: "Confirm", Args: answerArgs}, {Name: "Hold", Args: answerArgs}, {Name: "Unhold", Args: answerArgs},
	},
	Signals: []introspect.Signal{{Name: "Finished", Args: []introspect.Arg{arg("id", "s"), arg("result", "s"), arg("text", "s")}}},
	Properties: []introspect.Property{
		readable("Name", "s", "const"), readable("Unit", "s", "true"),
		readable("MainPID", "u", "true"), readable("Phase", "s", "true"),
		readable("Running", "(ssst)", "true"), readable("Disk", "(ss)", "true"),
		readable("Pending", "b", "true"), readable("Held", "b", "true"),
		readable("Reason", "s", "true"), readable("Alert", "s", "true"),
		// Their connections change all the time, and counting them costs.
		readable("Masters", "a(ussa(ubu))", "invalidates"),
		readable("Cycle", "(sstsssa(stt)utttta(sbsttu))", "true"),
		readable("Last", "(ssst)", "true"),
	},
}

var objectManagerDescription = &introspect.Interface{
	Name:    objectManagerInterface,
	Methods: []introspect.Method{{Name: "GetManagedObjects", Args: []introspect.Arg{out("objects", "a{oa{sa{sv}}}")}}},
	Signals: []introspect.Signal{
		{Name: "InterfacesAdded", Args: []introspect.Arg{arg("object", "o"), arg("interfaces", "a{sa{sv}}")}},
		{Name: "InterfacesRemoved", Args: []introspect.Arg{arg("object", "o"), arg("interfaces", "as")}},
	},
}

var propertiesDescription = &introspect.Interface{
	Name: propertiesInterface,
	Methods: []introspect.Method{
		{Name: "Get", Args: []introspect.Arg{in("interface", "s"), in("property", "s"), out("value", "v")}},
		{Name: "GetAll", Args: []introspect.Arg{in("interface", "s"), out("properties", "a{sv}")}},
		{Name: "Set", Args: []introspect.Arg{in("interface", "s"), in("property", "s"), in("value", "v")}},
	},
	Signals: []introspect.Signal{{Name: "PropertiesChanged", Args: []introspect.Arg{
		arg("interface", "s"), arg("changed", "a{sv}"), arg("invalidated", "as")}}},
}

var logControlInterface = &introspect.Interface{
	Name: LogControlInterface,
	Properties: []introspect.Property{
		{Name: "LogLevel", Type: "s", Access: "readwrite", Annotations: []introspect.Annotation{{Name: emitsChanged, Value: "false"}}},
		readable("LogTarget", "s", "const"), readable("SyslogIdentifier", "s", "const"),
	},
}

// describe is the introspection data of an object.
func describe(facets []*facet, children []string) (string, error) {
	node := introspect.Node{Interfaces: []introspect.Interface{introspect.PeerData}}
	for _, f := range facets {
		node.Interfaces = append(node.Interfaces, *f.about)
	}
	for _, child := range children {
		node.Children = append(node.Children, introspect.Node{Name: child})
	}
	text, err := xml.MarshalIndent(node, "", "  ")
	return introspect.IntrospectDeclarationString[1:] + string(text), err
}
