package bus

import (
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/systemd"
)

// The names on the bus.
const (
	Name              = "io.github.NginxHotswap1"
	ManagerInterface  = Name + ".Manager"
	InstanceInterface = Name + ".Instance"
	ManagerPath       = dbus.ObjectPath("/io/github/NginxHotswap1")
	instancePrefix    = string(ManagerPath) + "/instance/"

	// LogControlPath and LogControlInterface are those that systemctl knows,
	// see org.freedesktop.LogControl1(5).
	LogControlPath      = dbus.ObjectPath("/org/freedesktop/LogControl1")
	LogControlInterface = "org.freedesktop.LogControl1"

	propertiesInterface    = "org.freedesktop.DBus.Properties"
	objectManagerInterface = "org.freedesktop.DBus.ObjectManager"
)

// Socket is the name of the private socket in the runtime directory.
const Socket = "bus"

// InstancePath is the object of an instance.
func InstancePath(instance string) dbus.ObjectPath {
	return dbus.ObjectPath(instancePrefix + systemd.EscapeLabel(instance))
}

// InstanceName is the instance that an object stands for, false for a path that
// InstancePath does not write.
func InstanceName(path dbus.ObjectPath) (string, bool) {
	label, ok := strings.CutPrefix(string(path), instancePrefix)
	if !ok {
		return "", false
	}
	return systemd.UnescapeLabel(label)
}
