// Package box boots throwaway machines: a Debian with the real systemd as PID 1,
// on an overlay over the host's own file system or over a debootstrapped root.
// One is up in less than three seconds and costs no disk; what happens in it
// reaches neither the host's files nor its network.
//
//	b := box.Start(t, box.Options{})
//	b.Run(t, "systemctl start nginx && curl -sf http://127.0.0.1/")
//
// A machine is systemd-nspawn as PID 1 of its own PID and mount namespaces. That
// is what makes it vanish: whoever called [Up] may be killed at any moment, the
// kernel then kills the keeper (PDEATHSIG), with it every process of its PID
// namespace, and with the last of them go the mounts, which nobody else can see.
// Only empty control groups remain; the next [Up] removes them.
//
// The control group nginx-hotswap-box/NAME, at the top of the unified hierarchy,
// is also the register of machines: one is up if and only if its group is
// populated. There is no state file that could be stale.
//
//	nginx-hotswap-box/NAME/keeper        unshare(1), which holds the namespaces
//	nginx-hotswap-box/NAME/supervisor    systemd-nspawn(1)
//	nginx-hotswap-box/NAME/payload       the machine; this is its own root group
//	nginx-hotswap-box/NAME/payload/command-*  one per command run in it
//
// Needs: root with CAP_SYS_ADMIN, systemd-nspawn (Debian: systemd-container),
// util-linux, Linux 5.14 (cgroup.kill) with a cgroup2 mount, alone or beside
// version 1. [Root] also needs debootstrap and the network; a machine has none.
package box
