package packages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
)

// Change alters an unpacked package beyond its version.
type Change func(Tree) error

const (
	binaryPath = "usr/sbin/nginx"
	// Modules are the dynamic modules in a package of Debian.
	Modules = "usr/lib/nginx/modules/*.so"
	// Libraries are the shared libraries in a package, wherever the release has
	// them.
	Libraries = "usr/lib/*/lib*.so.*"
)

// Nothing but the version of the package.
func Nothing(Tree) error { return nil }

// Version changes the last digit of the version that the nginx in the package
// tells.
func Version(digit byte) Change {
	return func(t Tree) error {
		version, err := t.upstream()
		if err != nil {
			return err
		}
		return t.edit(binaryPath, func(content []byte) ([]byte, error) {
			return box.PatchVersion(content, version, version[:len(version)-1]+string(digit))
		})
	}
}

// Binary replaces the nginx in the package.
func Binary(build []byte) Change {
	return func(t Tree) error {
		return t.edit(binaryPath, func([]byte) ([]byte, error) { return build, nil })
	}
}

// Marked makes other ELF files of those that the pattern matches, which do the
// same: what follows the last section is never looked at.
func Marked(pattern, mark string) Change {
	return func(t Tree) error {
		return t.edit(pattern, func(content []byte) ([]byte, error) { return append(content, mark...), nil })
	}
}

// Misfit gives the modules in the package another number of the nginx that they
// were built for, which ngx_load_module refuses.
func Misfit(t Tree) error {
	version, err := t.upstream()
	if err != nil {
		return err
	}
	number, err := versionNumber(version)
	if err != nil {
		return err
	}
	return t.edit(Modules, func(content []byte) ([]byte, error) {
		// The head of an ngx_module_t, NGX_MODULE_V1: two indices of -1, the name
		// and two spares of 0, then nginx_version.
		head := append(bytes.Repeat([]byte{0xff}, 16), make([]byte, 24)...)
		old := binary.LittleEndian.AppendUint64(slices.Clone(head), number)
		if !bytes.Contains(content, old) {
			return nil, errors.New("no ngx_module_t in it")
		}
		return bytes.ReplaceAll(content, old, binary.LittleEndian.AppendUint64(slices.Clone(head), number+1)), nil
	})
}

// upstream returns the version of the program in the package: that of the package
// without the epoch and Debian's revision.
func (t Tree) upstream() (string, error) {
	version, err := t.Field("Version")
	if err != nil {
		return "", err
	}
	if _, after, ok := strings.Cut(version, ":"); ok {
		version = after
	}
	version, _, _ = strings.Cut(version, "-")
	return version, nil
}

// versionNumber is nginx_version in nginx.h: 1022001 for 1.22.1.
func versionNumber(version string) (uint64, error) {
	parts := strings.Split(version, ".")
	if len(parts) != 3 {
		return 0, fmt.Errorf("%q is no version of nginx", version)
	}
	var number uint64
	for _, part := range parts {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("%q is no version of nginx", version)
		}
		number = number*1000 + n
	}
	return number, nil
}
