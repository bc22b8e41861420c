#!/bin/sh
# Installs the Debian packages that the demo and the tests need. Services are
# not started: the machine itself is not what is tested.
set -eu
missing=
for package in nginx libnginx-mod-stream systemd systemd-container dbus debootstrap patchelf rsync rpm gcc libc6-dev iproute2; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "missing packages (install them as root):$missing" >&2
	exit 1
fi
added=
if [ ! -e /usr/sbin/policy-rc.d ] && [ ! -d /run/systemd/system ]; then
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod 755 /usr/sbin/policy-rc.d
	added=yes
fi
trap '[ -z "$added" ] || rm -f /usr/sbin/policy-rc.d' EXIT
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
# shellcheck disable=SC2086
apt-get -q install -y --no-install-recommends $missing
