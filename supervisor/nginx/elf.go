package nginx

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// What a file that should be a program can be instead.
var (
	ErrNotELF       = errors.New("not an ELF program")
	ErrIncomplete   = errors.New("the ELF file is not complete")
	ErrWrongMachine = errors.New("an ELF program for another machine")
)

// header is what ELF32 and ELF64 headers have in common here.
type header struct {
	kind                           elf.Type
	machine                        elf.Machine
	phoff, shoff                   uint64
	phentsize, phnum, shentsize, n uint64 // n is the number of sections
}

// CheckELF reads the headers of a program of the given size and reports
// whether it is all there and made for this machine. Linkers write the section
// headers last, so a file that is still being copied lacks them.
func CheckELF(file io.ReaderAt, size int64) error {
	own, err := hostMachine()
	if err != nil {
		return err
	}
	return checkELF(file, size, own)
}

func checkELF(file io.ReaderAt, size int64, own elf.Machine) error {
	ident := make([]byte, elf.EI_NIDENT)
	if n, err := file.ReadAt(ident, 0); err != nil {
		if n > 0 && n < len(ident) && bytes.HasPrefix([]byte(elf.ELFMAG), ident[:min(n, 4)]) {
			return ErrIncomplete
		}
		return ErrNotELF
	}
	if !bytes.HasPrefix(ident, []byte(elf.ELFMAG)) {
		return ErrNotELF
	}
	h, err := readHeader(file, ident)
	if err != nil {
		return err
	}
	if h.machine != own {
		return fmt.Errorf("%w: it is for %v, this is %v", ErrWrongMachine, h.machine, own)
	}
	if h.kind != elf.ET_EXEC && h.kind != elf.ET_DYN {
		return fmt.Errorf("%w: its type is %v", ErrNotELF, h.kind)
	}
	if h.phnum == 0 || h.phentsize == 0 {
		return fmt.Errorf("%w: it has no program headers", ErrNotELF)
	}
	return h.complete(file, ident, uint64(size))
}

func readHeader(file io.ReaderAt, ident []byte) (header, error) {
	order, err := byteOrder(ident)
	if err != nil {
		return header{}, err
	}
	switch elf.Class(ident[elf.EI_CLASS]) {
	case elf.ELFCLASS64:
		var h elf.Header64
		err = readStruct(file, 0, order, &h)
		return header{elf.Type(h.Type), elf.Machine(h.Machine), h.Phoff, h.Shoff,
			uint64(h.Phentsize), uint64(h.Phnum), uint64(h.Shentsize), uint64(h.Shnum)}, err
	case elf.ELFCLASS32:
		var h elf.Header32
		err = readStruct(file, 0, order, &h)
		return header{elf.Type(h.Type), elf.Machine(h.Machine), uint64(h.Phoff), uint64(h.Shoff),
			uint64(h.Phentsize), uint64(h.Phnum), uint64(h.Shentsize), uint64(h.Shnum)}, err
	}
	return header{}, fmt.Errorf("%w: unknown class %d", ErrNotELF, ident[elf.EI_CLASS])
}

func byteOrder(ident []byte) (binary.ByteOrder, error) {
	switch elf.Data(ident[elf.EI_DATA]) {
	case elf.ELFDATA2LSB:
		return binary.LittleEndian, nil
	case elf.ELFDATA2MSB:
		return binary.BigEndian, nil
	}
	return nil, fmt.Errorf("%w: unknown byte order %d", ErrNotELF, ident[elf.EI_DATA])
}

// readStruct turns a short read into ErrIncomplete.
func readStruct(file io.ReaderAt, off int64, order binary.ByteOrder, v any) error {
	err := binary.Read(io.NewSectionReader(file, off, int64(binary.Size(v))), order, v)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrIncomplete
	}
	return err
}

// complete checks that everything the headers speak of lies within the file.
func (h header) complete(file io.ReaderAt, ident []byte, size uint64) error {
	within := func(off, length uint64) bool { return off <= size && length <= size-off }
	if !within(h.phoff, h.phentsize*h.phnum) || !within(h.shoff, h.shentsize*h.n) {
		return ErrIncomplete
	}
	order, err := byteOrder(ident)
	if err != nil {
		return err
	}
	for i := range h.phnum {
		at := int64(h.phoff + i*h.phentsize)
		var off, length uint64
		if elf.Class(ident[elf.EI_CLASS]) == elf.ELFCLASS64 {
			var p elf.Prog64
			err = readStruct(file, at, order, &p)
			off, length = p.Off, p.Filesz
		} else {
			var p elf.Prog32
			err = readStruct(file, at, order, &p)
			off, length = uint64(p.Off), uint64(p.Filesz)
		}
		if err != nil {
			return err
		}
		if !within(off, length) {
			return ErrIncomplete
		}
	}
	return nil
}

// hostMachine asks our own executable, which runs here.
func hostMachine() (elf.Machine, error) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	ident := make([]byte, elf.EI_NIDENT)
	if _, err := f.ReadAt(ident, 0); err != nil {
		return 0, err
	}
	h, err := readHeader(f, ident)
	return h.machine, err
}
