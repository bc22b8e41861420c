package main

import (
	"strings"
	"testing"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// Our hook serves other units by a link to it; elsewhere the remedy is all of it.
func TestNeedrestartHooks(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		units []string
		says  []string
	}{
		"another unit": {map[string]string{needrestartScript: "#!", ourNeedrestart: "#!"}, []string{"nginx.service", "nginx@blog.service"},
			[]string{"restarts nginx@blog.service", "ln -s nginx.service '/etc/needrestart/restart.d/nginx@blog.service'"}},
		"without the package": {map[string]string{needrestartScript: "#!"}, []string{"angie.service"},
			[]string{"upgrade angie.service", "7 ] || exec systemctl restart angie.service", ">'/etc/needrestart/restart.d/angie.service'"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := hostHooks{root: hostTree(t, tt.files), config: supervisor.Defaults(), units: tt.units, booted: true}.needrestart()
			for _, w := range tt.says {
				if f.Level != supervisor.LevelWarning || !strings.Contains(f.Text+"\n"+f.Remedy, w) {
					t.Errorf("%+v lacks %q", f, w)
				}
			}
		})
	}
}
