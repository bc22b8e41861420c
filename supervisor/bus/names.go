package bus

import (
	"fmt"
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
