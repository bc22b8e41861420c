package nginx

import (
	"strings"
	"testing"
)

func TestFindPID(t *testing.T) {
	tests := map[string]struct{ source, want string }{
		"first line":       {"pid /run/a.pid;", "/run/a.pid"},
		"indented":         {"\n\t pid\t /run/a.pid ;\n", "/run/a.pid"},
		"DOS line ends":    {"user x;\r\npid /run/a.pid;\r\n", "/run/a.pid"},
		"over lines":       {"pid\n   /run/a.pid\n;", "/run/a.pid"},
		"one-line config":  {"user x;pid /run/a.pid;events{}http{server{listen 80;}}", "/run/a.pid"},
		"behind a block":   {"events {} pid /run/a.pid; http {}", "/run/a.pid"},
		"at the end":       {"http { server { listen 80; } }\npid /run/a.pid;", "/run/a.pid"},
		"double quotes":    {`pid "/run/my pid;file";`, "/run/my pid;file"},
		"single quotes":    {`pid '/run/"a".pid';`, `/run/"a".pid`},
		"escaped quote":    {`pid "/run/\"a\\.pid";`, `/run/"a\.pid`},
		"quoted name":      {`"pid" /run/a.pid;`, "/run/a.pid"},
		"hash in a word":   {"pid /run/a#b.pid;", "/run/a#b.pid"},
		"hash in quotes":   {`user "#"; pid /run/a.pid;`, "/run/a.pid"},
		"quote in a word":  {"env X=don't; pid /run/a.pid;", "/run/a.pid"},
		"brace in a value": {"env X=${Y}; pid /run/a.pid;", "/run/a.pid"},
		"trailing comment": {"pid /run/a.pid; # not pid /run/b.pid;", "/run/a.pid"},

		"in a comment":              {"# pid /run/a.pid;\nuser x;", ""},
		"comment behind a semi":     {"user x;#pid /run/a.pid;\n", ""},
		"comment behind a brace":    {"events {# }\npid /run/a.pid;\n}", ""},
		"comment, then the real":    {"#pid /run/old.pid;\npid /run/a.pid;", "/run/a.pid"},
		"comment in the middle":     {"pid # here\n/run/a.pid;", "/run/a.pid"},
		"quote in a comment":        {"# don't\npid /run/a.pid; # it's", "/run/a.pid"},
		"longer word":               {"pidfile /run/a.pid;", ""},
		"end of a word":             {"rapid /run/a.pid;", ""},
		"another directive's value": {"env pid; proxy_set_header pid x;", ""},
		"second word":               {"set pid /run/a.pid;", ""},
		"in a map":                  {"http { map $a $b {\n pid /run/a.pid;\n } }", ""},
		"in a string":               {"log_format x 'a; pid /run/b.pid;'; pid /run/a.pid;", "/run/a.pid"},
		"string over lines":         {"log_format x 'a;\npid /run/b.pid;\n'; pid /run/a.pid;", "/run/a.pid"},
		"in Lua":                    {"http { init_by_lua_block { local pid = ngx.worker.pid(); -- don't\n } }\npid /run/a.pid;", "/run/a.pid"},
		"two values":                {"pid /run/a.pid /run/b.pid;", ""},
		"no value":                  {"pid ;", ""},
		"no end":                    {"pid /run/a.pid", ""},
		"a block":                   {"pid /run/a.pid {}", ""},
		"other case":                {"PID /run/a.pid;", ""},
		"stray braces":              {"}}}\npid /run/a.pid;", "/run/a.pid"},
		"empty":                     {"", ""},
		"only a comment":            {"#", ""},
		"open quote":                {`pid "/run/a.pid;`, ""},
		"backslash at the end":      {`pid /run/a.pid\`, ""},
		"binary":                    {"\x00\xff;\x00pid\xff x;", ""},
		"deep":                      {strings.Repeat("{", 1<<16) + "pid x;", ""},
	}
	for name, test := range tests {
		if got := findPID(test.source); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
