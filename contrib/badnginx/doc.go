// Package badnginx makes builds of nginx for tests that are accepted by every
// check that does not serve clients, and then go wrong: the distribution's
// binary, which loads a small library of ours before all others. The library
// takes the place of a few functions of libc.
//
// Such a build tells another version than the original and passes `nginx -t`.
// It needs gcc and patchelf.
package badnginx
