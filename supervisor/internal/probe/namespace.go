package probe

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Namespace is the network namespace of a process, kept open: it can be used
// when the process is gone. A nil Namespace is our own.
type Namespace struct{ file *os.File }

// OpenNamespace opens the network namespace of a process. It needs the right
// to trace the process.
func OpenNamespace(pid int) (*Namespace, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, fmt.Errorf("cannot open the network namespace: %w", err)
	}
	return &Namespace{file}, nil
}

// Close lets go of the namespace.
func (n *Namespace) Close() error {
	if n == nil {
		return nil
	}
	return n.file.Close()
}

// Do runs f on a thread that is in the namespace: sockets that f makes and
// programs that it starts are in it, and stay so. What f does in goroutines of
// its own is not.
func (n *Namespace) Do(f func() error) error {
	if n == nil {
		return f()
	}
	result := make(chan error, 1)
	go func() { result <- n.enter(f) }()
	return <-result
}

// enter is called on a goroutine that ends with it. Where it went elsewhere it
// stays locked to its thread, so that the thread ends too: one in a foreign
// namespace must not get into the hands of others.
func (n *Namespace) enter(f func() error) error {
	runtime.LockOSThread()
	here, err := n.isOurs()
	if err != nil || here {
		runtime.UnlockOSThread()
		if err != nil {
			return err
		}
		return f()
	}
	if unix.Gettid() == unix.Getpid() {
		// The main thread cannot end, and it is what /proc/PID shows. While
		// it is locked here, another goroutine runs on another thread.
		defer runtime.UnlockOSThread()
		return n.Do(f)
	}
	if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("cannot enter the network namespace (RestrictNamespaces= must allow net): %w", err)
	}
	return f()
}

// isOurs asks for the calling thread.
func (n *Namespace) isOurs() (bool, error) {
	ours, err := os.Stat("/proc/thread-self/ns/net")
	if err != nil {
		return false, fmt.Errorf("cannot look at the network namespace: %w", err)
	}
	theirs, err := n.file.Stat()
	if err != nil {
		return false, fmt.Errorf("cannot look at the network namespace: %w", err)
	}
	return os.SameFile(ours, theirs), nil
}
