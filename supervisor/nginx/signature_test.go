package nginx_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

func TestSignature(t *testing.T) {
	const known = "8,4,8,0011111111010111001111111111111111"
	for name, tt := range map[string]struct {
		contents, want string
	}{
		"a binary":       {"\x7fELF\x00nginx\x00" + known + "\x00more", known},
		"at the end":     {known, known},
		"of 32 bits":     {"4,4,4," + strings.Repeat("01", 17), "4,4,4," + strings.Repeat("01", 17)},
		"empty":          {"", ""},
		"a version":      {"8,4,8,0011", ""},
		"another number": {"8,4,8,2011111111010111001111111111111111", ""},
	} {
		got, err := nginx.Signature(strings.NewReader(tt.contents))
		if got != tt.want || (tt.want == "") != errors.Is(err, nginx.ErrNoSignature) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestIncompatibleModule(t *testing.T) {
	for output, want := range map[string]string{
		`nginx: [emerg] module "/usr/lib/nginx/modules/x.so" is not binary compatible in /etc/nginx/nginx.conf:3`: "/usr/lib/nginx/modules/x.so",
		`nginx: [emerg] module "/x.so" version 1022001 instead of 1022009 in /etc/nginx/nginx.conf:3`:             "",
		"": "",
	} {
		if got := (nginx.TestResult{Output: output}).IncompatibleModule(); got != want {
			t.Errorf("%q: got %q", output, got)
		}
	}
}
