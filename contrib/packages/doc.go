// Package packages makes what an ordinary upgrade of nginx by Debian's tools is
// tested with: the archive's own packages of a release, with a higher version and
// other contents, in an offline repository for apt.
//
//	archive, err := packages.Fetch(ctx, "bookworm", root, os.Stderr)
//	...
//	err = archive.Repack(ctx, dir, "+next1", map[string]packages.Change{
//	    "nginx":               packages.Version('2'),
//	    "nginx-common":        packages.Nothing,
//	    "libnginx-mod-stream": packages.Marked(packages.Modules, "other"),
//	})
//
// Maintainer scripts, configuration files and relations stay those of the archive,
// because they are what decides whether nginx is restarted. What the archive holds
// today is of no matter: each version is made higher, and the version that nginx
// tells is changed in its binary.
//
// The tests boot machines (contrib/box), upgrade nginx in them under traffic, once
// as the distribution does it and once with our package installed, and print both
// accounts side by side. They have the build tag box.
//
// Needs apt-get, dpkg and, for the first run on a release, the network.
package packages
