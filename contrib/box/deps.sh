#!/bin/sh
# Installs the Debian packages that the demo and the tests need. Services are
# not started: the machine itself is not what is tested.
set -eu
missing=
for package in nginx libnginx-mod-stream systemd systemd-container dbus polkitd debootstrap patchelf rsync rpm gcc libc6-dev \
	iproute2 bash-completion libxml2-utils libdbus-1-dev chromium-headless-shell fonts-dejavu-core; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
# Of the package prometheus nothing else is of use here, and its server would run
# in every machine.
promtool=/usr/local/bin/promtool
if [ -z "$missing" ] && [ -x "$promtool" ]; then
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	echo "not everything is installed; run this as root:$missing promtool" >&2
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
[ -z "$missing" ] || apt-get -q install -y --no-install-recommends $missing
if [ ! -x "$promtool" ]; then
	stage=$(mktemp -d)
	chmod 755 "$stage" # apt downloads as a user of its own
	(cd "$stage" && apt-get -q download prometheus && dpkg-deb --fsys-tarfile prometheus_*.deb |
		tar -x -O ./usr/bin/promtool >"$promtool.new" && chmod 755 "$promtool.new" && mv "$promtool.new" "$promtool")
	rm -rf "$stage"
fi
