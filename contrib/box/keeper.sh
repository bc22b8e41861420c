# Becomes the machine $1 in the control group $2, on an overlay over the working
# directory. Runs as PID 1 of its own PID and mount namespaces: no mount made here
# is ever seen outside, and the last process takes them along.
set -eu
name=$1 group=$2

# systemd-nspawn makes the groups "supervisor" and "payload" below its own one.
echo 0 >"$group/cgroup.procs"

# unshare(1) asks for --kill-child only after its fork: killed in between, it leaves
# this script behind. It is alone in its group.
grep -q '^populated 1' "$group/keeper/cgroup.events"

# Beside version 1, systemd-nspawn would share its groups between machines.
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi

# All of /run, because systemd-nspawn leaves locks and directories there. The
# lower directory is named by ".", which is never hidden by this mount and needs
# no quoting.
mount -t tmpfs -o mode=755 "nginx-hotswap-box-$name" /run
mkdir /run/upper /run/work /run/root
mount -t overlay -o "lowerdir=.,upperdir=/run/upper,workdir=/run/work" overlay /run/root
cd /run

# inotify instances are counted for all machines together, because their root is
# the same user. Each has about twenty.
instances=/proc/sys/fs/inotify/max_user_instances
if [ "$(cat $instances)" -lt 1024 ]; then
	echo 1024 >$instances
fi

# Empty means: a new identity, without the questions of a first boot. systemd would
# rather take the one of D-Bus.
: >root/etc/machine-id
rm -f root/var/lib/dbus/machine-id
# Images of containers forbid the actions that a machine is for.
rm -f root/usr/sbin/policy-rc.d

export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
# systemd-nspawn forbids pidfd_getfd(2), which a machine of its own does not.
exec systemd-nspawn --directory=/run/root --machine="$name" --boot --register=no --keep-unit \
	--private-network --system-call-filter=pidfd_getfd --link-journal=no --resolv-conf=off --timezone=off --console=pipe
