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

// host is what a program must be made for to run here.
type host struct {
	machine elf.Machine
	class   elf.Class
	data    elf.Data
}

// phentsize is the one size of program headers that execve(2) accepts.
func (h host) phentsize() uint64 {
	if h.class == elf.ELFCLASS64 {
		return uint64(binary.Size(elf.Prog64{}))
	}
	return uint64(binary.Size(elf.Prog32{}))
}

// header is what ELF32 and ELF64 headers have in common here.
type header struct {
	kind                           elf.Type
	machine                        elf.Machine
	phoff, shoff                   uint64
	phentsize, phnum, shentsize, n uint64 // n is the number of sections
}

// CheckELF reads the headers of a program of the given size and reports
// whether it is all there and made for this machine. Segments alone would not
// do: what comes last in a file is the section headers or their names.
func CheckELF(file io.ReaderAt, size int64) error {
	own, err := readHost()
	if err != nil {
		return err
	}
	return checkELF(file, size, own)
}

func checkELF(file io.ReaderAt, size int64, own host) error {
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
	made := host{h.machine, elf.Class(ident[elf.EI_CLASS]), elf.Data(ident[elf.EI_DATA])}
	if made != own {
		return fmt.Errorf("%w: it is for %v, %v, this is %v, %v", ErrWrongMachine, made.machine, made.class, own.machine, own.class)
	}
	if h.kind != elf.ET_EXEC && h.kind != elf.ET_DYN {
		return fmt.Errorf("%w: its type is %v", ErrNotELF, h.kind)
	}
	if h.phnum == 0 || h.phentsize != made.phentsize() {
		return fmt.Errorf("%w: it has no program headers that the kernel would read", ErrNotELF)
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

// part is what a segment or a section takes up in the file.
type part struct{ off, length uint64 }

// complete checks that everything the headers speak of lies within the file.
func (h header) complete(file io.ReaderAt, ident []byte, size uint64) error {
	within := func(p part) bool { return p.off <= size && p.length <= size-p.off }
	if !within(part{h.phoff, h.phentsize * h.phnum}) || !within(part{h.shoff, h.shentsize * h.n}) {
		return ErrIncomplete
	}
	order, err := byteOrder(ident)
	if err != nil {
		return err
	}
	read := readParts32
	if elf.Class(ident[elf.EI_CLASS]) == elf.ELFCLASS64 {
		read = readParts64
	}
	check := func(at, count, each uint64, sections bool) error {
		for i := range count {
			p, err := read(file, int64(at+i*each), order, sections)
			if err != nil {
				return err
			}
			if !within(p) {
				return ErrIncomplete
			}
		}
		return nil
	}
	if err := check(h.phoff, h.phnum, h.phentsize, false); err != nil {
		return err
	}
	return check(h.shoff, h.n, h.shentsize, true)
}

func readParts64(file io.ReaderAt, at int64, order binary.ByteOrder, section bool) (part, error) {
	if section {
		var s elf.Section64
		err := readStruct(file, at, order, &s)
		return inFile(elf.SectionType(s.Type), part{s.Off, s.Size}), err
	}
	var p elf.Prog64
	err := readStruct(file, at, order, &p)
	return part{p.Off, p.Filesz}, err
}

func readParts32(file io.ReaderAt, at int64, order binary.ByteOrder, section bool) (part, error) {
	if section {
		var s elf.Section32
		err := readStruct(file, at, order, &s)
		return inFile(elf.SectionType(s.Type), part{uint64(s.Off), uint64(s.Size)}), err
	}
	var p elf.Prog32
	err := readStruct(file, at, order, &p)
	return part{uint64(p.Off), uint64(p.Filesz)}, err
}

// inFile is nothing for sections that exist only in memory, or not at all.
func inFile(kind elf.SectionType, p part) part {
	if kind == elf.SHT_NOBITS || kind == elf.SHT_NULL {
		return part{}
	}
	return p
}

// readHost asks our own executable, which runs here.
func readHost() (host, error) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return host{}, err
	}
	defer f.Close()
	ident := make([]byte, elf.EI_NIDENT)
	if _, err := f.ReadAt(ident, 0); err != nil {
		return host{}, err
	}
	h, err := readHeader(f, ident)
	return host{h.machine, elf.Class(ident[elf.EI_CLASS]), elf.Data(ident[elf.EI_DATA])}, err
}
