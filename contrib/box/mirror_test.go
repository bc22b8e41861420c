package box

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMirrors(t *testing.T) {
	t.Parallel()
	const archive, security = "http://mirror.example/debian", "http://mirror.example/debian-security"
	for name, test := range map[string]struct {
		targets, codename string
		want              mirrors
		fails             bool
	}{
		"usual": {"bookworm " + archive + "/\nbookworm-updates http://other.example/\nbookworm-security " + security + "/\n",
			"bookworm", mirrors{archive, security}, false},
		"components": {"trixie " + archive + "/\ntrixie " + archive + "/\n", "trixie", mirrors{archive, ""}, false},
		"old":        {"buster " + archive + "\nbuster/updates " + security + "\n", "buster", mirrors{archive, security}, false},
		"foreign":    {"nodistro http://other.example/node/\n", "bookworm", mirrors{}, true},
		"none":       {"", "bookworm", mirrors{}, true},
	} {
		got, err := parseMirrors([]byte(test.targets), test.codename)
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(mirrors{})); diff != "" || (err != nil) != test.fails {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

func TestSecurityOf(t *testing.T) {
	t.Parallel()
	m := mirrors{security: "http://mirror.example/debian-security"}
	for release, want := range map[string]string{"trixie": m.security, "forky": m.security, "sid": ""} {
		if got := m.securityOf(release); got != want {
			t.Errorf("%s: %q", release, got)
		}
	}
}

func TestDebianCodename(t *testing.T) {
	t.Parallel()
	for osRelease, want := range map[string]string{
		"NAME=\"Debian GNU/Linux\"\nVERSION_CODENAME=bookworm\nID=debian\n": "bookworm",
		"ID=\"debian\"\nVERSION_CODENAME='trixie'\n":                        "trixie",
		"ID=ubuntu\nVERSION_CODENAME=noble\nID_LIKE=debian\n":               "",
		"ID=debian\n": "",
		"":            "",
	} {
		got, err := debianCodename([]byte(osRelease))
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", osRelease, got, err)
		}
	}
}
