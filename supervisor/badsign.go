package supervisor

import (
	"errors"
	"fmt"
)

// badSign is what ends a cycle after USR2.
type badSign struct {
	text string
	// condemns is true when the build itself did it: it crashed or answered
	// wrongly. Such a build is never tried again by itself. A configuration
	// that lacks a listener, a start that took too long or an
	// administrator's will say nothing about the build.
	condemns bool
}

func (b *badSign) Error() string { return b.text }

func condemning(format string, args ...any) error {
	return &badSign{fmt.Sprintf(format, args...), true}
}

// errAsked is the end of a cycle that a person wants undone.
var errAsked = &badSign{text: "rollback was asked for"}

// errUnconfirmed is the end of a cycle that nobody confirmed.
var errUnconfirmed = &badSign{text: "nobody confirmed it within ConfirmTimeoutSec="}

// condemned reports whether an error condemns the build.
func condemned(err error) bool {
	sign, ok := errors.AsType[*badSign](err)
	return ok && sign.condemns
}
