# Fills the empty directory $1 with a minimal Debian of release $2 that boots.
# $3 is the archive, $4 the security archive or "". Runs as PID 1 of its own PID
# and mount namespaces, so that an interruption takes mounts and processes along.
set -eu
root=$1 release=$2 mirror=$3 security=$4

export DEBIAN_FRONTEND=noninteractive
umask 022

# A release that is younger than the host's debootstrap is built by the recipe of sid.
recipe=
[ -e "/usr/share/debootstrap/scripts/$release" ] || recipe=/usr/share/debootstrap/scripts/sid
debootstrap --variant=minbase "$release" "$root" "$mirror" ${recipe:+"$recipe"}

# No service may start in the chroot: it would be the host's process.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"

{
	echo "deb $mirror $release main"
	if [ -n "$security" ]; then echo "deb $security $release-security main"; fi
} >"$root/etc/apt/sources.list"

# Manual pages, translations and the documentation only cost space.
cat >"$root/etc/dpkg/dpkg.cfg.d/box" <<END
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/doc/*
END
mount -t proc proc "$root/proc"

# Check-Valid-Until: the archive of an old release is signed no more.
apt="chroot $root apt-get -q -y -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false
	-o APT::Install-Recommends=false -o Dpkg::Use-Pty=0"
$apt update
$apt dist-upgrade
packages="systemd systemd-sysv dbus nginx procps ca-certificates iproute2 curl"
if chroot "$root" apt-cache show libnginx-mod-stream >/dev/null 2>&1; then
	packages="$packages libnginx-mod-stream"
fi
$apt install $packages
$apt clean
umount "$root/proc"

rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/log/*.log \
	"$root"/usr/share/man/* "$root"/usr/share/locale/* "$root"/usr/share/doc/*
rm -f "$root/usr/sbin/policy-rc.d" "$root/etc/dpkg/dpkg.cfg.d/box"

# What debootstrap and systemd took from the host or made up is no machine's own.
rm -f "$root/etc/machine-id" "$root/var/lib/dbus/machine-id" "$root/etc/resolv.conf"
: >"$root/etc/machine-id"
echo box >"$root/etc/hostname"
