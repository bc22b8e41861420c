// Command demo shows an upgrade of nginx under traffic: `make demo`. It boots a
// throwaway machine (see contrib/box), puts the project into it, starts the
// distribution's nginx and nginx-hotswap, makes traffic of every kind (see
// contrib/traffic), replaces /usr/sbin/nginx by a build of another version, and
// says what became of the requests.
//
// It exits 0 only if no request failed, the version changed and systemd follows
// the new master. It needs root and what contrib/box/deps.sh installs, and changes
// nothing on the machine that it runs on.
package main
