package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Reason is why a candidate was refused.
type Reason string

// The reasons.
const (
	ReasonMissing      Reason = "missing"
	ReasonNotFile      Reason = "not-a-file"
	ReasonOwner        Reason = "untrusted-owner"
	ReasonWritable     Reason = "writable-by-others"
	ReasonBeingWritten Reason = "being-written"
	ReasonIncomplete   Reason = "incomplete"
	ReasonNotELF       Reason = "not-elf"
	ReasonMachine      Reason = "wrong-machine"
	ReasonNotNginx     Reason = "not-nginx"
	ReasonConfigTest   Reason = "config-test"
	ReasonPIDFile      Reason = "pid-file"
	ReasonUnixListener Reason = "unix-listener"
	ReasonVault        Reason = "vault"
	ReasonNotMaster    Reason = "not-a-master"
	ReasonDaemonOff    Reason = "daemon-off"
	ReasonPredecessor  Reason = "predecessor"
	ReasonBareName     Reason = "bare-name"
	ReasonParent       Reason = "parent"
	ReasonNotifyAccess Reason = "notify-access"
	ReasonUnitBusy     Reason = "unit-busy"
	ReasonPackageLock  Reason = "package-transaction"
	ReasonQuarantine   Reason = "quarantine"
	ReasonMemory       Reason = "memory"
)

// Refusal is the answer to a candidate that is not tried. Nothing was touched.
type Refusal struct {
	Reason Reason
	Text   string
	Remedy string // what a person can do about it
}

func (r *Refusal) Error() string {
	if r.Remedy == "" {
		return r.Text
	}
	return r.Text + "; " + r.Remedy
}

// Code is the exit status that the refusal leads to.
func (r *Refusal) Code() int {
	switch r.Reason {
	case ReasonBeingWritten, ReasonIncomplete, ReasonUnitBusy, ReasonPackageLock:
		return ExitDeferred
	case ReasonDaemonOff, ReasonPredecessor, ReasonBareName, ReasonParent, ReasonNotMaster, ReasonNotifyAccess:
		return ExitNotSwappable
	default:
		return ExitRejected
	}
}

// Exit statuses of the commands, see nginx-hotswap(8).
const (
	ExitOK           = 0
	ExitFailure      = 1
	ExitUsage        = 2
	ExitRejected     = 3
	ExitRolledBack   = 4
	ExitDeferred     = 5
	ExitStuck        = 6
	ExitNotSwappable = 7
)

// Outcome is the answer to a request.
type Outcome struct {
	Code   int    // exit status
	Text   string // one sentence for a person
	Cycle  string // the id of the cycle, if there was one
	Result Result // of the cycle
}

// outcomeOf turns an error that came before any cycle into an answer.
func outcomeOf(err error) Outcome {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return Outcome{Code: r.Code(), Text: r.Error(), Result: resultOf(r)}
	}
	switch {
	case errors.Is(err, ErrNotRunning):
		return Outcome{Code: ExitNotSwappable, Text: err.Error()}
	case errors.Is(err, ErrLocked):
		return Outcome{Code: ExitDeferred, Text: err.Error(), Result: Deferred}
	case errors.Is(err, context.Canceled):
		return Outcome{Code: ExitFailure, Text: fmt.Sprintf("interrupted: %v", err)}
	}
	return Outcome{Code: ExitFailure, Text: err.Error()}
}

func resultOf(r *Refusal) Result {
	if r.Code() == ExitDeferred {
		return Deferred
	}
	return Rejected
}

// Worst picks the exit status that stands for several instances.
func Worst(codes ...int) int {
	order := []int{ExitStuck, ExitRolledBack, ExitRejected, ExitFailure, ExitNotSwappable, ExitDeferred}
	for _, code := range order {
		if slices.Contains(codes, code) {
			return code
		}
	}
	return ExitOK
}
