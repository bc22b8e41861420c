package nginx

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// confTree is a root with a configuration in it; the values are contents, or
// with "-> " before them the target of a symbolic link.
type confTree map[string]string

func (c confTree) root(t *testing.T) *Root {
	t.Helper()
	dir := t.TempDir()
	for name, text := range c {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		target, link := strings.CutPrefix(text, "-> ")
		var err error
		if link {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	root, err := openRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

const mainConf = "/etc/nginx/nginx.conf"

func TestIncluded(t *testing.T) {
	for name, tt := range map[string]struct {
		tree confTree
		want []string // besides the main file
	}{
		"nothing":  {confTree{mainConf: "events {}"}, nil},
		"absolute": {confTree{mainConf: "include /srv/a.conf;", "/srv/a.conf": ""}, []string{"/srv/a.conf"}},
		"relative to the main file, wherever it stands": {
			confTree{mainConf: "http { include sub/a.conf; }", "/etc/nginx/sub/a.conf": "include b.conf;", "/etc/nginx/b.conf": ""},
			[]string{"/etc/nginx/sub/a.conf", "/etc/nginx/b.conf"}},
		"a pattern": {
			confTree{mainConf: "include conf.d/*.conf;", "/etc/nginx/conf.d/b.conf": "", "/etc/nginx/conf.d/a.conf": "", "/etc/nginx/conf.d/a.conf.off": ""},
			[]string{"/etc/nginx/conf.d/a.conf", "/etc/nginx/conf.d/b.conf"}},
		"a class": {
			confTree{mainConf: "include conf.d/[ab]?.conf;", "/etc/nginx/conf.d/a1.conf": "", "/etc/nginx/conf.d/c1.conf": ""},
			[]string{"/etc/nginx/conf.d/a1.conf"}},
		"links": {
			confTree{mainConf: "include sites-enabled/*;", "/etc/nginx/sites-enabled/site": "-> ../sites-available/site",
				"/etc/nginx/sites-available/site": "include /srv/a.conf;", "/srv/a.conf": ""},
			[]string{"/etc/nginx/sites-enabled/site", "/srv/a.conf"}},
		"a circle":                {confTree{mainConf: "include a.conf;", "/etc/nginx/a.conf": "include nginx.conf; include a.conf;"}, []string{"/etc/nginx/a.conf"}},
		"twice":                   {confTree{mainConf: "include a.conf; include ./a.conf;", "/etc/nginx/a.conf": ""}, []string{"/etc/nginx/a.conf"}},
		"missing":                 {confTree{mainConf: "include a.conf; include b.conf;", "/etc/nginx/b.conf": ""}, []string{"/etc/nginx/a.conf", "/etc/nginx/b.conf"}},
		"a pattern that is empty": {confTree{mainConf: "include none/*.conf;"}, nil},
		"a broken pattern":        {confTree{mainConf: "include conf.d/[a;", "/etc/nginx/conf.d/[a": ""}, nil},
		"in quotes":               {confTree{mainConf: `include "my sites/*";`, "/etc/nginx/my sites/a": ""}, []string{"/etc/nginx/my sites/a"}},
		"not one":                 {confTree{mainConf: "# include a.conf;\nlog_format x 'include a.conf;';\ninclude a.conf b.conf;\ninclude;\n"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := Files{Config: mainConf}.Included(tt.tree.root(t))
			if diff := cmp.Diff(append([]string{mainConf}, tt.want...), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// With so many files no more are opened to look for others.
func TestIncludedIsBounded(t *testing.T) {
	var text strings.Builder
	for i := range maxIncluded {
		fmt.Fprintf(&text, "include file-%d;\n", i)
	}
	tree := confTree{mainConf: text.String(), "/etc/nginx/file-0": "include deeper;", "/etc/nginx/deeper": ""}
	if got := (Files{Config: mainConf}).Included(tree.root(t)); slices.Contains(got, "/etc/nginx/deeper") || len(got) > maxIncluded+1 {
		t.Errorf("%d files, the last is %s", len(got), got[len(got)-1])
	}
	tree[mainConf] = text.String()[:100] // not so many
	if got := (Files{Config: mainConf}).Included(tree.root(t)); !slices.Contains(got, "/etc/nginx/deeper") {
		t.Errorf("without %d others it is left out: %q", maxIncluded, got)
	}
}

func TestServerNames(t *testing.T) {
	tree := confTree{
		mainConf: `http {
    server { listen 80; server_name example.org www.example.org; }
    # server_name commented.example.org;
    map $host $x { server_name unrelated; }
    include sites/*;
}`,
		"/etc/nginx/sites/a": "server { server_name example.org\n  '*.example.net' \"~^(?<user>.+)\\.example\\.net$\"; }",
		"/etc/nginx/sites/b": `server { server_name _ ""; } server { server_name; }`,
	}
	want := []string{"example.org", "www.example.org", "unrelated", "*.example.net", `~^(?<user>.+)\.example\.net$`, "_", ""}
	root := tree.root(t)
	for most := range len(want) + 2 {
		got := Files{Config: mainConf}.ServerNames(root, most)
		if diff := cmp.Diff(append([]string(nil), want[:min(most, len(want))]...), got); diff != "" {
			t.Errorf("at most %d: %s", most, diff)
		}
	}
	if got := (Files{Config: "/missing"}).ServerNames(root, 5); len(got) > 0 {
		t.Errorf("without a configuration: %q", got)
	}
}

func FuzzDirectives(f *testing.F) {
	for _, source := range []string{
		"user x;\ninclude conf.d/*.conf; http { server { server_name a 'b c' \"d\"; } }", `a "\"`, "a ${b};", "}}{;;", "a{b;}c;", "#", "a#b;", `'\\' x;`, "init_by_lua_block { local x = '}' }\na;",
	} {
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		count := 0
		for depth, words := range directives(source) {
			count++
			if depth < 0 || depth > strings.Count(source, "{") || len(words) == 0 || len(words) > maxWords {
				t.Errorf("%q: depth %d, %q", source, depth, words)
			}
			for _, w := range words {
				if len(w) > len(source) {
					t.Errorf("%q: word %q", source, w)
				}
			}
		}
		if count > strings.Count(source, ";") {
			t.Errorf("%q has %d directives", source, count)
		}
		// One that comes first is the first, and the others stay what they are.
		behind := -1
		for depth, words := range directives("first one;" + source) {
			if behind++; behind == 0 && (depth != 0 || len(words) != 2 || words[0] != "first") {
				t.Errorf("%q comes first", words)
			}
		}
		if behind != count {
			t.Errorf("%q: %d directives, %d behind another", source, count, behind)
		}
		// Nobody has to go through all of them.
		for range directives(source) {
			break
		}
	})
}
