package nginx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unsafe"
)

// ErrArgvLost says that a master's exact arguments cannot be recovered: its
// title was cut off because its first generation was started with hardly any
// environment, or its memory may not be read.
var ErrArgvLost = errors.New("the arguments of the master cannot be recovered")

const wordSize = int(unsafe.Sizeof(uintptr(0)))

// ReadArgv recovers the exact arguments of a master, which are those that
// USR2 gives to the successor (ngx_exec_new_binary).
//
// nginx writes its title over them, joined with single spaces, so the
// boundaries are gone from /proc/PID/cmdline. But the pointers that the kernel
// put on the stack are intact, except argv[1], which nginx sets to NULL
// (ngx_init_setproctitle). They give every boundary except the one between
// argv[0] and argv[1]. It needs the right to trace the process.
func ReadArgv(pid int) ([]string, error) {
	stat, err := ReadStat(pid)
	if err != nil {
		return nil, err
	}
	cmdline, err := os.ReadFile(procPath(pid, "cmdline"))
	if err != nil {
		return nil, err
	}
	title := ParseTitle(cmdline)
	if title.Role != RoleMaster && title.Role != RoleStarting {
		return nil, fmt.Errorf("pid %d is no master but %q", pid, title.Role)
	}
	offsets, err := readOffsets(pid, stat)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArgvLost, err)
	}
	if title.Role == RoleStarting {
		// No title yet, or `master_process off`: still the true arguments.
		return splitUntitled(cmdline, offsets)
	}
	if size := int(stat.ArgEnd-stat.ArgStart) - 1; len(title.Rest) != size {
		return nil, fmt.Errorf("%w: %d of %d bytes are left in its title", ErrArgvLost, len(title.Rest), size)
	}
	return SplitArgv(title.Rest, offsets)
}

// splitUntitled cuts arguments that no title was written over. A title that
// was cut off before it says what the process is looks like arguments, too;
// but then the pointers disagree, or the only word is its beginning.
func splitUntitled(cmdline []byte, offsets []int) ([]string, error) {
	argv := strings.Split(string(bytes.TrimSuffix(cmdline, []byte{0})), "\x00")
	at := 0
	starts := make([]int, len(argv))
	for i, arg := range argv {
		starts[i] = at
		at += len(arg) + 1
	}
	if !slices.Equal(starts, offsets) || strings.Contains(argv[0]+" ", ": ") {
		return nil, fmt.Errorf("%w: hardly anything is left of its title", ErrArgvLost)
	}
	return argv, nil
}

// readOffsets reads argc and the argv pointers from the stack, as offsets from
// the first argument; a pointer that is NULL gives -1.
func readOffsets(pid int, stat Stat) ([]int, error) {
	if stat.StackStart == 0 || stat.ArgEnd <= stat.ArgStart {
		return nil, errors.New("no right to trace the process")
	}
	mem, err := os.Open(procPath(pid, "mem"))
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	word := make([]byte, wordSize)
	if _, err := mem.ReadAt(word, int64(stat.StackStart)); err != nil {
		return nil, fmt.Errorf("cannot read the stack: %w", err)
	}
	argc := nativeWord(word)
	if argc < 1 || argc > 4096 {
		return nil, fmt.Errorf("argc is %d", argc)
	}
	table := make([]byte, int(argc)*wordSize)
	if _, err := mem.ReadAt(table, int64(stat.StackStart)+int64(wordSize)); err != nil {
		return nil, fmt.Errorf("cannot read the stack: %w", err)
	}
	offsets := make([]int, argc)
	for i := range offsets {
		offsets[i] = -1
		if p := nativeWord(table[i*wordSize:]); p != 0 {
			offsets[i] = int(int64(p - stat.ArgStart))
		}
	}
	return offsets, nil
}

func nativeWord(b []byte) uint64 {
	if wordSize == 4 {
		return uint64(binary.NativeEndian.Uint32(b))
	}
	return binary.NativeEndian.Uint64(b)
}

// SplitArgv cuts arguments that were joined with single spaces at the given
// offsets. The offset of the second one may be unknown (negative): it is the
// first place before the third where an option begins.
func SplitArgv(joined string, offsets []int) ([]string, error) {
	if len(offsets) == 0 || offsets[0] != 0 {
		return nil, fmt.Errorf("%w: the first argument is not at the beginning", ErrArgvLost)
	}
	starts := append([]int(nil), offsets...)
	if len(starts) > 1 && starts[1] < 0 {
		end := len(joined)
		if len(starts) > 2 {
			end = min(max(starts[2], 0), end)
		}
		i := strings.Index(joined[:end], " -")
		if i < 0 {
			return nil, fmt.Errorf("%w: no option follows the program's name", ErrArgvLost)
		}
		starts[1] = i + 1
	}
	starts = append(starts, len(joined)+1)
	argv := make([]string, 0, len(offsets))
	for i, start := range starts[:len(starts)-1] {
		end := starts[i+1] - 1
		if start < 0 || end < start || end > len(joined) || end < len(joined) && joined[end] != ' ' {
			return nil, fmt.Errorf("%w: argument %d is at %d to %d of %d", ErrArgvLost, i, start, end, len(joined))
		}
		argv = append(argv, joined[start:end])
	}
	return argv, nil
}
