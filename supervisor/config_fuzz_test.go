package supervisor_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// FuzzConfig checks that there is either an error or a configuration that
// every part of the program can work with.
func FuzzConfig(f *testing.F) {
	f.Add("[Supervisor]\nUnits=a.service b.service\nAutomatic=no\n", "[Instance]\nName=x\nPIDFile=/a\n")
	f.Add("[Upgrade]\nSoakSec=infinity\nKeepBuilds=3\n", "[Instance]\nUnit=web.service\n[Upgrade]\nSoakSec=1h 3min\n")
	f.Add("[Supervisor]\nUnits=\\\n\n", "[Instance]\nUnit=/.service\n")
	f.Add("\x00[\n]=", "[Instance]\nUnit=.service\n")
	f.Add("#\\\n[Upgrade]\nSoakSec=1s\\\n2s\n", "[Instance]\nUnit=x\nPIDFile=\n")
	f.Fuzz(func(t *testing.T, main, instance string) {
		c, _, err := files{"hotswap.conf": main, "instance.d/i.conf": instance}.load(t)
		if err != nil {
			return
		}
		if c.Concurrency < 1 || c.KeepHistory < 1 || c.SettleSec < 0 || c.PackageLockTimeoutSec < 0 {
			t.Errorf("unusable: %+v", c)
		}
		for _, u := range c.Units {
			if u == "\\" || strings.ContainsAny(u, " \x00") || !utf8.ValidString(u) { // D-Bus takes UTF-8 alone
				t.Errorf("unusable pattern %q", u)
			}
		}
		if len(c.Instances) != 1 {
			t.Fatalf("%d instances", len(c.Instances))
		}
		checkInstance(t, c.Instances[0])
	})
}

func checkInstance(t *testing.T, i supervisor.InstanceConfig) {
	t.Helper()
	if i.Name == "" || strings.ContainsAny(i.Name, "/\x00 ") || i.Name[0] == '.' || i.Name[0] == '-' {
		t.Errorf("unusable name %q", i.Name)
	}
	if (i.Unit == "") == (i.PIDFile == "") {
		t.Errorf("unit %q, pid file %q", i.Unit, i.PIDFile)
	}
	if !utf8.ValidString(i.Name + i.Unit) {
		t.Errorf("not UTF-8: %q, %q", i.Name, i.Unit)
	}
	if i.Unit != "" && (!strings.HasSuffix(i.Unit, ".service") || strings.ContainsAny(i.Unit, "/\x00 ")) {
		t.Errorf("unusable unit %q", i.Unit)
	}
	if strings.Contains(i.PIDFile, "\x00") {
		t.Errorf("unusable pid file %q", i.PIDFile)
	}
	u := i.Upgrade
	for _, d := range []time.Duration{u.TestTimeoutSec, u.StartTimeoutSec, u.SoakSec, u.KeepOldSec, u.DrainTimeoutSec, u.DismissTimeoutSec} {
		if d < 0 {
			t.Errorf("unusable: %+v", u)
		}
	}
	if u.KeepBuilds < 1 {
		t.Errorf("unusable: %+v", u)
	}
}
