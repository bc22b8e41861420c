// Package watch turns what happens to files on disk into pokes.
//
// A [Poke] means "look again". It carries the path and a reason and never a verdict: whoever receives it compares the disk
// with what it knows and decides. Lost or doubled pokes therefore do no harm, and a poke is sent whenever in doubt.
//
// # What is watched
//
// Files are replaced more often than they are written, and a watch on a file goes with the inode that it was set on. So
// only directories are watched, by one inotify instance for all paths: every directory in which a name of the path is
// looked up on the way from the root to the file, with every symbolic link followed hop by hop, links to files and links
// to directories alike. For /usr/sbin/nginx -> ../../opt/nginx/sbin/nginx these are /, /usr, /usr/sbin, /opt, /opt/nginx
// and /opt/nginx/sbin. A parent sees when a directory is moved away or made again, and the watches are then set anew by
// path. What does not exist yet is found through the directory in which its name will appear.
//
// A path below /proc/PID/root is resolved inside the root directory of that process, absolute links included, as openat2(2)
// does with RESOLVE_IN_ROOT. The link /proc/PID/root itself is never read, because its text is a path of another namespace.
//
// # What counts
//
// Only an event with exactly the name that is looked up in that directory counts. The names that package managers and
// editors use on the way (x.dpkg-new, x.dpkg-tmp, x;6b0305f1 of rpm, .x.Ab3dEf of rsync, x~, .x.swp) differ from the base
// name, so they never poke by themselves; the rename to the final name does.
//
// An event is the start of a wait: the path must be quiet for [Options.Settle], no process may have the file open for
// writing (fcntl(2), F_SETLEASE), and the file's [Stamp] must differ from that of the last poke. Each of dpkg, rpm,
// install(1), cp, mv, rsync, make install and a swapped symbolic link ends in one poke in this way; the scripts in
// testdata/script do it. A chmod, chown or touch of the file itself moves its ctime and is one poke as well.
//
// Some things are poked even with an equal stamp, because events may be missing: an overflow of the kernel's queue, and a
// watch that was lost since its directory was removed, renamed or unmounted. The kernel's report of an unmount does not
// come through fsnotify, changes made on the far side of NFS or FUSE and in the layers below overlayfs come from nowhere:
// a slow timer, [Options.Rescan], compares watches and stamps, and on an idle host has no effect.
package watch
