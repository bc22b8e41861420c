package bus

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
)

// The document types are those that are installed with D-Bus and polkit.
const (
	busType        = "/usr/share/xml/dbus-1/busconfig.dtd"
	introspectType = "/usr/share/xml/dbus-1/introspect.dtd"
	polkitType     = "/usr/share/polkit-1/policyconfig-1.dtd"
)

// wholeBusType adds what dbus-daemon(1) documents and the type of D-Bus 1.14 does
// not know: with that alone not one installed policy is valid.
const wholeBusType = `<!ENTITY % own SYSTEM "file://` + busType + `">
%own;
<!ATTLIST allow send_destination CDATA #IMPLIED send_interface CDATA #IMPLIED send_member CDATA #IMPLIED>
`

// valid checks a document with xmllint.
func valid(t *testing.T, dtd, document string) {
	t.Helper()
	path, err := exec.LookPath("xmllint")
	if err != nil {
		nginxtest.Unable(t, "xmllint is not installed (libxml2-utils)")
	}
	out, err := exec.CommandContext(t.Context(), path, "--noout", "--nonet", "--dtdvalid", dtd, document).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

func needs(t *testing.T, dtd, packaged string) {
	t.Helper()
	if _, err := os.Stat(dtd); errors.Is(err, fs.ErrNotExist) {
		nginxtest.Unable(t, dtd+" is not installed ("+packaged+")")
	}
}

func TestBusPolicyIsValid(t *testing.T) {
	needs(t, busType, "libdbus-1-dev")
	dtd := filepath.Join(t.TempDir(), "busconfig.dtd")
	if err := os.WriteFile(dtd, []byte(wholeBusType), 0o600); err != nil {
		t.Fatal(err)
	}
	valid(t, dtd, "../../packaging/dbus/"+Name+".conf")
}

func TestPolkitPolicyIsValid(t *testing.T) {
	needs(t, polkitType, "polkitd")
	file := "../../packaging/polkit/" + Name + ".policy"
	valid(t, polkitType, file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range []string{actionUpgrade, actionManage} {
		if !strings.Contains(string(text), `<action id="`+action+`">`) {
			t.Errorf("%s is not in the policy", action)
		}
	}
	if n := strings.Count(string(text), "<action id="); n != 2 {
		t.Errorf("the policy has %d actions, the daemon asks for 2", n)
	}
}

func TestIntrospectionIsValid(t *testing.T) {
	needs(t, introspectType, "libdbus-1-dev")
	c := serve(t, nil, "nginx").dial(t)
	for _, path := range []dbus.ObjectPath{"/", ManagerPath, InstancePath("nginx"), LogControlPath} {
		var text string
		if err := c.conn.Object(Name, path).CallWithContext(t.Context(), "org.freedesktop.DBus.Introspectable.Introspect", 0).Store(&text); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "object.xml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		valid(t, introspectType, file)
	}
}
