// Package ladder lets the nginx of several Debian releases run in one machine,
// as the rungs of a ladder that an upgrade climbs and goes down again.
//
// Each binary needs the C library, OpenSSL and PCRE of its own release. [Build]
// takes them along and makes the binary load those and no others, so that the
// step from one rung to the next is what it is everywhere: another file is moved
// to where nginx is installed. It needs patchelf.
package ladder
