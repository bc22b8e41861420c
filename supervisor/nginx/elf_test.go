package nginx

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"
	"unsafe"
)

// program is an ELF program for the host: a header, two program headers, some
// bytes, two section headers.
func program(t *testing.T) []byte {
	t.Helper()
	own, err := readHost()
	if err != nil {
		t.Fatal(err)
	}
	if own.class != elf.ELFCLASS64 {
		t.Skip("the layout is that of a 64-bit machine")
	}
	const head, prog, section, text = 64, 56, 64, 100
	h := elf.Header64{Type: uint16(elf.ET_DYN), Machine: uint16(own.machine), Version: 1, Ehsize: head, Phoff: head, Phentsize: prog, Phnum: 2,
		Shoff: head + 2*prog + text, Shentsize: section, Shnum: 2}
	copy(h.Ident[:], []byte{0x7f, 'E', 'L', 'F', byte(own.class), byte(own.data), 1})
	segments := []elf.Prog64{{Type: uint32(elf.PT_LOAD), Filesz: 200}, {Type: uint32(elf.PT_LOAD), Off: 200, Filesz: 76, Memsz: 1 << 30}}
	var b bytes.Buffer
	for _, part := range []any{h, segments, make([]byte, text), make([]elf.Section64, 2)} {
		if err := binary.Write(&b, binary.NativeEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func check(data []byte) error { return CheckELF(bytes.NewReader(data), int64(len(data))) }

// patched returns a copy with a number put at an offset.
func patched(data []byte, at uintptr, v any) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.NativeEndian, v)
	out := bytes.Clone(data)
	copy(out[at:], b.Bytes())
	return out
}

func TestCheckELF(t *testing.T) {
	good := program(t)
	const first, second = 64, 64 + 56 // program headers
	var h elf.Header64
	var p elf.Prog64
	var s elf.Section64
	tests := map[string]struct {
		data []byte
		want error
	}{
		"program":      {good, nil},
		"ET_EXEC":      {patched(good, unsafe.Offsetof(h.Type), uint16(elf.ET_EXEC)), nil},
		"no sections":  {patched(patched(good, unsafe.Offsetof(h.Shoff), uint64(0)), unsafe.Offsetof(h.Shnum), uint16(0)), nil},
		"bytes behind": {append(bytes.Clone(good), 0), nil},

		"empty":           {nil, ErrNotELF},
		"script":          {[]byte("#!/bin/sh\nexec nginx \"$@\"\n"), ErrNotELF},
		"short script":    {[]byte("#!/bin/sh"), ErrNotELF},
		"one line feed":   {[]byte("\n"), ErrNotELF},
		"only zeros":      {make([]byte, len(good)), ErrNotELF}, // allocated, not yet written
		"object file":     {patched(good, unsafe.Offsetof(h.Type), uint16(elf.ET_REL)), ErrNotELF},
		"core dump":       {patched(good, unsafe.Offsetof(h.Type), uint16(elf.ET_CORE)), ErrNotELF},
		"unknown class":   {patched(good, elf.EI_CLASS, byte(9)), ErrNotELF},
		"unknown order":   {patched(good, elf.EI_DATA, byte(9)), ErrNotELF},
		"no segments":     {patched(good, unsafe.Offsetof(h.Phnum), uint16(0)), ErrNotELF},
		"segment headers": {patched(good, unsafe.Offsetof(h.Phentsize), uint16(1)), ErrNotELF},

		"machine":          {patched(good, unsafe.Offsetof(h.Machine), uint16(elf.EM_MIPS)), ErrWrongMachine},
		"no machine":       {patched(good, unsafe.Offsetof(h.Machine), uint16(elf.EM_NONE)), ErrWrongMachine},
		"32 bits":          {patched(good, elf.EI_CLASS, byte(elf.ELFCLASS32)), ErrWrongMachine},
		"other byte order": {patched(good, elf.EI_DATA, 3-good[elf.EI_DATA]), ErrWrongMachine},

		"sections beyond the end":      {patched(good, unsafe.Offsetof(h.Shoff), uint64(len(good))), ErrIncomplete},
		"sections far beyond":          {patched(good, unsafe.Offsetof(h.Shoff), uint64(1<<63)), ErrIncomplete},
		"sections overflow":            {patched(good, unsafe.Offsetof(h.Shoff), uint64(1<<64-64)), ErrIncomplete},
		"more sections than there are": {patched(good, unsafe.Offsetof(h.Shnum), uint16(0xffff)), ErrIncomplete},
		"section's contents beyond":    {patched(patched(good, 276+64+unsafe.Offsetof(s.Type), uint32(elf.SHT_STRTAB)), 276+64+unsafe.Offsetof(s.Size), uint64(len(good)+1)), ErrIncomplete},
		"section without contents":     {patched(patched(good, 276+64+unsafe.Offsetof(s.Type), uint32(elf.SHT_NOBITS)), 276+64+unsafe.Offsetof(s.Size), uint64(1<<40)), nil},
		"segments beyond the end":      {patched(good, unsafe.Offsetof(h.Phoff), uint64(len(good))), ErrIncomplete},
		"segments overflow":            {patched(good, unsafe.Offsetof(h.Phoff), uint64(1<<64-1)), ErrIncomplete},
		"segments negative":            {patched(good, unsafe.Offsetof(h.Phoff), uint64(1<<63)), ErrIncomplete},
		"more segments than there are": {patched(good, unsafe.Offsetof(h.Phnum), uint16(0xffff)), ErrIncomplete},
		"segment's contents beyond":    {patched(good, second+unsafe.Offsetof(p.Off), uint64(len(good))), ErrIncomplete},
		"segment's length":             {patched(good, first+unsafe.Offsetof(p.Filesz), uint64(len(good)+1)), ErrIncomplete},
		"segment's length overflows":   {patched(good, second+unsafe.Offsetof(p.Filesz), uint64(1<<64-100)), ErrIncomplete},
	}
	for name, test := range tests {
		if err := check(test.data); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

// What is cut anywhere is incomplete, also if the file system has the whole
// size already.
func TestCheckELFCut(t *testing.T) {
	good := program(t)
	for n := 1; n < len(good); n++ {
		if err := check(good[:n]); !errors.Is(err, ErrIncomplete) {
			t.Errorf("%d of %d bytes: got %v", n, len(good), err)
		}
	}
	own, err := readHost()
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 64+2*56; n++ {
		if err := checkELF(bytes.NewReader(good[:n]), int64(len(good)), own); !errors.Is(err, ErrIncomplete) {
			t.Errorf("%d bytes of a file said to be longer: got %v", n, err)
		}
	}
}

// A 32-bit program, as a 32-bit machine would see it.
func TestCheckELF32(t *testing.T) {
	own := host{elf.EM_386, elf.ELFCLASS32, elf.ELFDATA2LSB}
	h := elf.Header32{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_386), Phoff: 52, Phentsize: 32, Phnum: 1, Shoff: 84, Shentsize: 40, Shnum: 1}
	copy(h.Ident[:], []byte{0x7f, 'E', 'L', 'F', byte(own.class), byte(own.data), 1})
	var b bytes.Buffer
	for _, part := range []any{h, elf.Prog32{Filesz: 84}, elf.Section32{}} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	data := b.Bytes()
	if err := checkELF(bytes.NewReader(data), int64(len(data)), own); err != nil {
		t.Errorf("whole: got %v", err)
	}
	for n := 1; n < len(data); n++ {
		if err := checkELF(bytes.NewReader(data[:n]), int64(n), own); !errors.Is(err, ErrIncomplete) {
			t.Errorf("%d of %d bytes: got %v", n, len(data), err)
		}
	}
	if native, err := readHost(); err != nil || native != own {
		if err := check(data); !errors.Is(err, ErrWrongMachine) {
			t.Errorf("here: got %v, %v", err, native)
		}
	}
}

// The test program is a real binary. It is cut at the borders of all that its
// headers speak of.
func TestCheckELFOfRealProgram(t *testing.T) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckELF(f, info.Size()); err != nil {
		t.Fatal(err)
	}
	parsed, err := elf.NewFile(f)
	if err != nil {
		t.Fatal(err)
	}
	borders := []int64{1, 3, 4, elf.EI_NIDENT - 1, elf.EI_NIDENT, 63, 64, info.Size() - 1}
	for _, p := range parsed.Progs {
		borders = append(borders, int64(p.Off), int64(p.Off+p.Filesz)-1)
	}
	for _, s := range parsed.Sections {
		borders = append(borders, int64(s.Offset), int64(s.Offset+s.FileSize))
	}
	cut := 0
	for _, size := range borders {
		// Some of them are the end of the file.
		if size <= 0 || size >= info.Size() {
			continue
		}
		cut++
		if err := CheckELF(&limitedReader{f, size}, size); !errors.Is(err, ErrIncomplete) {
			t.Errorf("%d of %d bytes: got %v", size, info.Size(), err)
		}
	}
	if cut < 20 {
		t.Errorf("only %d borders", cut)
	}
}

// limitedReader is a file of which only the beginning is there.
type limitedReader struct {
	file *os.File
	size int64
}

func (r *limitedReader) ReadAt(b []byte, off int64) (int, error) {
	n, err := r.file.ReadAt(b[:max(0, min(int64(len(b)), r.size-off))], off)
	if err == nil && n < len(b) {
		err = io.EOF
	}
	return n, err
}

func TestCheckELFOfDirectory(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := CheckELF(dir, 4096); !errors.Is(err, ErrNotELF) {
		t.Errorf("got %v", err)
	}
}
