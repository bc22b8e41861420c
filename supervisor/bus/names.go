package bus

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"
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

// InstancePath is the object of an instance. Characters that are not allowed
// in an object path are escaped as in sd_bus_path_encode(3).
func InstancePath(instance string) dbus.ObjectPath {
	var b strings.Builder
	b.WriteString(instancePrefix)
	if instance == "" {
		b.WriteByte('_')
	}
	for i := range len(instance) {
		c := instance[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if letter || i > 0 && c >= '0' && c <= '9' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return dbus.ObjectPath(b.String())
}

// InstanceName is the instance that an object stands for, see InstancePath.
func InstanceName(path dbus.ObjectPath) (string, bool) {
	label, ok := strings.CutPrefix(string(path), instancePrefix)
	if label == "_" {
		return "", true
	}
	var b strings.Builder
	for i := 0; ok && i < len(label); i++ {
		if label[i] != '_' {
			b.WriteByte(label[i])
			continue
		}
		if i+2 >= len(label) {
			return "", false
		}
		c, err := strconv.ParseUint(label[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 2
	}
	// Only what InstancePath writes is a path of ours.
	return b.String(), ok && InstancePath(b.String()) == path
}
