// Command bench measures nginx-hotswap in a throwaway machine (see contrib/box):
// the installed unit with its sandbox, the distribution's nginx, and traffic. It
// prints tables in Markdown and asserts no time; it fails only where something did
// not end as it has to.
//
// Each measurement is a file of its own. rollback.go is the way back: how long it
// takes from the first bad sign until the old version accepts connections again,
// and what that costs clients (`make bench-rollback`).
//
// It needs root and what contrib/box/deps.sh installs, and changes nothing on the
// machine that it runs on.
package main
