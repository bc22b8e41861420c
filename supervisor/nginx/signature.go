package nginx

import (
	"errors"
	"io"
	"regexp"
	"strings"
)

// signature is NGX_MODULE_SIGNATURE: three sizes and a digit for each property of
// the build that a dynamic module depends on (src/core/ngx_module.h).
var signature = regexp.MustCompile(`[48],[48],[48],[01]{20,60}`)

// ErrNoSignature says that a file is no build of nginx with dynamic modules, and
// no such module.
var ErrNoSignature = errors.New("it has no module signature")

// maxSignature bounds what is looked at of a file.
const maxSignature = 64 << 20

// Signature finds the module signature in a binary of nginx or in a dynamic
// module. nginx loads a module only if both are the same (ngx_add_module).
func Signature(r io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSignature))
	if err != nil {
		return "", err
	}
	if found := signature.Find(data); found != nil {
		return string(found), nil
	}
	return "", ErrNoSignature
}

// incompatible is what nginx says of a module with another signature.
var incompatible = regexp.MustCompile(`module "([^"]+)" is not binary compatible`)

// IncompatibleModule returns the path of the module of which the test says that
// it does not fit the binary, or "".
func (r TestResult) IncompatibleModule() string {
	if found := incompatible.FindStringSubmatch(r.Output); found != nil {
		return strings.TrimSpace(found[1])
	}
	return ""
}
