package nginx

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTitle(t *testing.T) {
	starting := Title{Role: RoleStarting}
	tests := []struct {
		cmdline string
		want    Title
	}{
		{"nginx: master process /usr/sbin/nginx\x00", Title{RoleMaster, "/usr/sbin/nginx"}},
		{"nginx: master process nginx -g daemon on; pid x;\x00", Title{RoleMaster, "nginx -g daemon on; pid x;"}},
		{"nginx: master process  -c x", Title{RoleMaster, " -c x"}}, // argv[0] is empty
		{"nginx: worker process\x00\x00\x00\x00\x00\x00", Title{RoleWorker, ""}},
		{"nginx: worker process is shutting down\x00\x00", Title{RoleDraining, "is shutting down"}},
		{"nginx: worker process is shutt\x00", Title{RoleDraining, "is shutt"}}, // cut off
		{"nginx: worker process i\x00", Title{RoleDraining, "i"}},
		{"nginx: cache manager process\x00", Title{RoleCacheManager, ""}},
		{"nginx: cache loader process\x00", Title{RoleCacheLoader, ""}},
		{"nginx: privileged agent process\x00", Title{RoleAgent, ""}},

		{"angie: master process v1.9.0 #2 [/usr/sbin/angie -c /etc/a.conf]\x00", Title{RoleMaster, "/usr/sbin/angie -c /etc/a.conf"}},
		{"angie: master process v1.9.0 PRO build #12 [angie -g a [b];]\x00", Title{RoleMaster, "angie -g a [b];"}},
		{"angie: master process v1.9.0 #2 [/usr/sbin/angie -c /et", Title{RoleMaster, "/usr/sbin/angie -c /et"}}, // cut off
		{"angie: master process v1.9.0", Title{RoleMaster, ""}},
		{"angie: worker process #2\x00\x00", Title{RoleWorker, "#2"}},
		{"angie: worker process is shutting down #1\x00", Title{RoleDraining, "is shutting down #1"}},
		{"angie: cache manager process #1\x00", Title{RoleCacheManager, "#1"}},
		{"angie: single process v1.9.0 #1 [angie]\x00", starting},

		// The arguments of a process that has not set its title.
		{"/usr/sbin/nginx\x00", starting},
		{"nginx\x00-g\x00daemon on; master_process on;\x00", starting},
		{"nginx\x00-c\x00/tmp/nginx: master process x\x00", starting},
		// What only looks like a title: a script, an interpreter's argument, an
		// argv[0] with arguments behind it.
		{"/bin/sh\x00nginx: worker process\x00", starting},
		{"/tmp/nginx: worker process\x00", starting},
		{"sh -c nginx: worker process\x00", starting},
		{"nginx: worker process\x00-x\x00", starting},
		{"nginx: worker process \x00x\x00", starting},
		{"nginx: master process x\x00y\x00", starting},
		// Something else altogether.
		{"", starting},
		{"\x00", starting},
		{"\x00\x00\x00nginx: master process x", starting},
		{"nginx:", starting},
		{"nginx: ", starting},
		{"nginx: master", starting},
		{"nginx: master processes", starting},
		{"nginx: worker processor", starting},
		{"nginx: WORKER PROCESS", starting},
		{"nginx:worker process", starting},
		{" nginx: worker process", starting},
		{"\xff\xfe\x01\x80: \xff", starting},
		{strings.Repeat(": ", 4096), starting},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, ParseTitle([]byte(test.cmdline))); diff != "" {
			t.Errorf("%.80q: %s", test.cmdline, diff)
		}
	}
}
