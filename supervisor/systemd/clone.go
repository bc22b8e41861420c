package systemd

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/godbus/dbus/v5"
)

// property is one argument of StartTransientUnit, (sv).
type property struct {
	Name  string
	Value dbus.Variant
}

// cloned names the properties that make up the place a service runs in: who it
// is, what it sees, what it may do. All are of systemd.exec(5), systemd.kill(5)
// and systemd.resource-control(5), and can be passed back as they were read.
//
// Left out on purpose: Environment*, PassEnvironment (the test has the master's
// own environment), RuntimeDirectory and its kin (they would be removed when
// the test ends; see directories), PIDFile, PAMName, TTY*, StandardInput and
// log settings, CPU, I/O and memory weights. The plain form stands before its
// Ex form, which says more and so must come last.
var cloned = []string{
	"User", "Group", "SupplementaryGroups", "DynamicUser", "UMask",
	"WorkingDirectory", "RootDirectory",
	"RootImage", "RootImageOptions", "RootImagePolicy", "RootHash", "RootHashPath", "RootHashSignature",
	"RootHashSignaturePath", "RootVerity", "MountImages", "MountImagePolicy", "ExtensionImages", "ExtensionImagePolicy",
	"ExtensionDirectories", "MountAPIVFS", "MountFlags", "BindLogSockets",
	"BindPaths", "BindReadOnlyPaths", "TemporaryFileSystem",
	"ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths",
	"CapabilityBoundingSet", "AmbientCapabilities", "SecureBits", "NoNewPrivileges",
	"PrivateTmp", "PrivateTmpEx", "PrivateDevices", "PrivateNetwork", "PrivateIPC", "PrivateMounts",
	"PrivateUsers", "PrivateUsersEx", "PrivatePIDs", "PrivateBPF", "NetworkNamespacePath", "IPCNamespacePath",
	"UserNamespacePath",
	"ProtectSystem", "ProtectHome", "ProtectProc", "ProcSubset", "ProtectClock", "ProtectHostname", "ProtectHostnameEx",
	"ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups",
	"ProtectControlGroupsEx",
	"RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "RestrictFileSystems",
	"LockPersonality", "Personality", "MemoryDenyWriteExecute", "KeyringMode",
	"SystemCallFilter", "SystemCallArchitectures", "SystemCallErrorNumber",
	"SELinuxContext", "AppArmorProfile", "SmackProcessLabel",
	"LimitCPU", "LimitCPUSoft", "LimitFSIZE", "LimitFSIZESoft", "LimitDATA", "LimitDATASoft", "LimitSTACK",
	"LimitSTACKSoft", "LimitCORE", "LimitCORESoft", "LimitRSS", "LimitRSSSoft", "LimitNOFILE", "LimitNOFILESoft",
	"LimitAS", "LimitASSoft", "LimitNPROC", "LimitNPROCSoft", "LimitMEMLOCK", "LimitMEMLOCKSoft", "LimitLOCKS",
	"LimitLOCKSSoft",
	"OOMScoreAdjust", "CoredumpFilter", "IgnoreSIGPIPE",
	"SetCredential", "SetCredentialEncrypted", "LoadCredential", "LoadCredentialEncrypted", "ImportCredential",
	"DevicePolicy", "DeviceAllow", "IPAddressAllow", "IPAddressDeny", "SocketBindAllow", "SocketBindDeny",
	"RestrictNetworkInterfaces",
}

// sandbox reads the sandbox of a loaded unit: the properties to set on a
// transient unit so that its process runs in the same place, and the flags
// ("privileged" for a + prefix, ...) of the unit's ExecStart=.
func (m *Manager) sandbox(ctx context.Context, unit string) ([]property, []string, error) {
	p, err := m.getAll(ctx, unitPath(unit))
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the sandbox of %s: %w", unit, err)
	}
	if s := p.text("LoadState"); s != "loaded" {
		return nil, nil, fmt.Errorf("cannot read the sandbox of %s: it is %s", unit, s)
	}
	props, err := cloneOf(p)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the sandbox of %s: %w", unit, err)
	}
	props = append(props, property{"JoinsNamespaceOf", dbus.MakeVariant([]string{p.text("Id")})})
	return props, execFlags(p), nil
}

// execFlags are the flags that change where a command runs; ignoring its
// failure or not expanding variables does not.
func execFlags(p properties) []string {
	flags := []string{}
	for _, f := range p.flags("ExecStartEx") {
		if f == "privileged" || f == "no-setuid" || f == "ambient" {
			flags = append(flags, f)
		}
	}
	return flags
}

// cloneOf turns what was read into what can be set.
func cloneOf(p properties) ([]property, error) {
	var props []property
	for _, name := range cloned {
		v, ok := p[name]
		if !ok {
			continue
		}
		v, err := settable(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if name == "SELinuxContext" {
			v = plainContext(p)
		}
		// Unset is the default already, and an empty Personality is refused.
		if !isEmpty(v.Value()) {
			props = append(props, property{name, v})
		}
	}
	return append(props, directories(p)...), nil
}

// plainContext: SELinuxContext reads as (bs) and is written as s.
func plainContext(p properties) dbus.Variant {
	s := ""
	if pair, _ := p["SELinuxContext"].Value().([]any); len(pair) == 2 {
		s, _ = pair[1].(string)
	}
	return dbus.MakeVariant(s)
}

var directoryRoots = []struct{ property, root string }{
	{"RuntimeDirectory", "/run"},
	{"StateDirectory", "/var/lib"},
	{"CacheDirectory", "/var/cache"},
	{"LogsDirectory", "/var/log"},
}

// directories opens the unit's RuntimeDirectory= and the like for writing, as
// plain paths: set as what they are they would be removed with the transient
// unit, and without them ProtectSystem=strict makes nginx -t fail on its pid
// file or logs. In a root of its own the unit has them as bind mounts.
func directories(p properties) []property {
	var paths []string
	for _, d := range directoryRoots {
		for _, name := range p.texts(d.property) {
			paths = append(paths, filepath.Join(d.root, name))
		}
	}
	switch {
	case len(paths) == 0:
		return nil
	case p.text("RootDirectory") == "" && p.text("RootImage") == "":
		for i := range paths {
			paths[i] = "-" + paths[i]
		}
		return []property{{"ReadWritePaths", dbus.MakeVariant(paths)}}
	}
	binds := []bindMount{}
	for _, path := range slices.Compact(paths) {
		binds = append(binds, bindMount{path, path, true, 0x4000})
	}
	return []property{{"BindPaths", dbus.MakeVariant(binds)}}
}

// bindMount is an entry of BindPaths, (ssbt); the flag is MS_REC.
type bindMount struct {
	Source, Destination string
	IgnoreMissing       bool
	Flags               uint64
}
