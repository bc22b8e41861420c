package nginx

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseVersion(t *testing.T) {
	tests := []struct {
		out  string
		want Version
	}{
		{"nginx version: nginx/1.22.1\n", Version{Name: "nginx", Number: "1.22.1"}},
		{"nginx version: nginx/1.24.0 (Ubuntu)\nbuilt with OpenSSL 3.0.13 30 Jan 2024\nTLS SNI support enabled\n" +
			"configure arguments: --with-cc-opt='-g -O2' --prefix=/usr/share/nginx --with-threads\n",
			Version{"nginx", "1.24.0", []string{"--with-cc-opt='-g -O2'", "--prefix=/usr/share/nginx", "--with-threads"}}},
		{"nginx version: nginx/1.25.5 (nginx-plus-r32-p1)\r\n", Version{Name: "nginx", Number: "1.25.5"}},
		{"nginx version: openresty/1.25.3.1\nbuilt by gcc 12.2.0\n", Version{Name: "openresty", Number: "1.25.3.1"}},
		{"Tengine version: Tengine/3.1.0\nnginx version: nginx/1.24.0\n", Version{Name: "Tengine", Number: "3.1.0"}},
		{"Tengine version: Tengine/2.3.2 (nginx/1.17.3)\n", Version{Name: "Tengine", Number: "2.3.2"}},
		{"Angie version: Angie/1.9.0\nnginx version: nginx/1.27.4\n", Version{Name: "Angie", Number: "1.9.0"}},
		{"freenginx version: freenginx/1.27.2\n", Version{Name: "freenginx", Number: "1.27.2"}},
		{"nginx version: my own server/2.0 x\n", Version{Name: "server", Number: "2.0"}},
		// The loader speaks first.
		{"ERROR: ld.so: object '/x/y.so' from /etc/ld.so.preload cannot be preloaded: ignored.\nnginx version: nginx/1.22.1\n",
			Version{Name: "nginx", Number: "1.22.1"}},
		{"nginx version: nginx/1.22.1\nconfigure arguments:\n", Version{Name: "nginx", Number: "1.22.1"}},
	}
	for _, test := range tests {
		got, err := ParseVersion([]byte(test.out))
		if diff := cmp.Diff(test.want, got, cmp.Transformer("empty", func(s []string) string { return strings.Join(s, "\n") })); err != nil || diff != "" {
			t.Errorf("%q: %v %s", test.out, err, diff)
		}
	}
	for _, out := range []string{"", "\n", "nginx", "nginx version: ", "nginx version: nginx", "nginx version: nginx/", "nginx version: nginx/x",
		"nginx version: nginx/1", "nginx version: nginx\n/1.22.1", "version: nginx/1.22.1", "see: nginx version: nginx/1.22.1",
		"GNU bash, version 5.2.15(1)-release", "\x7fELF\x02\x01", "nginx version: \xff\xff/\xff"} {
		if got, err := ParseVersion([]byte(out)); err == nil {
			t.Errorf("%q: taken for %+v", out, got)
		}
	}
}

func TestVersionSetting(t *testing.T) {
	v := Version{Configure: splitQuoted(`--with-cc-opt='-g -O2 --prefix=/no' --prefix=/usr --pid-path='/run/my server.pid' --conf-path= --pid-path=/second`)}
	for name, want := range map[string]string{
		"--prefix": "/usr", "--pid-path": "/run/my server.pid", "--conf-path": "", "--modules-path": "", "--pre": "", "": "",
	} {
		if got := v.Setting(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestOlderThan(t *testing.T) {
	for text, want := range map[string]bool{
		"nginx/1.13.7": true, "nginx/1.9.15": true, "nginx/1.0.15": true, "nginx/0.8.55": true, "openresty/1.11.2.5": true,
		"nginx/1.13.8": false, "nginx/1.14.0": false, "nginx/1.30.6": false, "nginx/2.0": false, "openresty/1.13.8.1": false,
		// They number their versions themselves.
		"Angie/1.7.0": false, "Tengine/1.5.2": false,
		"nginx/": false, "nginx/1.x": false, "/1.0.15": false,
	} {
		name, number, _ := strings.Cut(text, "/")
		if got := (Version{Name: name, Number: number}).OlderThan(1, 13, 8); got != want {
			t.Errorf("%s: got %v", text, got)
		}
	}
}

func TestSplitQuoted(t *testing.T) {
	for text, want := range map[string][]string{
		"":                        {},
		"   ":                     {},
		"a":                       {"a"},
		" a  b ":                  {"a", "b"},
		"--x='a b' c":             {"--x='a b'", "c"},
		"--x='a  b'":              {"--x='a  b'"},
		"'a b'c 'd'":              {"'a b'c", "'d'"},
		"--x='never closed --y=z": {"--x='never closed --y=z"},
		"''":                      {"''"},
		"\xff '\xfe \xfd'":        {"\xff", "'\xfe \xfd'"},
	} {
		if diff := cmp.Diff(want, splitQuoted(text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestLimitedBuffer(t *testing.T) {
	b := limitedBuffer{limit: 5}
	for _, part := range []string{"ab", "cdef", "", "ghi"} {
		if n, err := b.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("got %d, %v", n, err) // a short write would end the program that writes
		}
	}
	if string(b.data) != "abcde" {
		t.Errorf("got %q", b.data)
	}
	for text, want := range map[string]string{"": "", " \n\t": "", "one\ntwo": ` (it says "one")`, strings.Repeat("x", 9999): ` (it says "` + strings.Repeat("x", 200) + `")`} {
		if got := (&limitedBuffer{data: []byte(text)}).excerpt(); got != want {
			t.Errorf("%.20q: got %s", text, got)
		}
	}
}
