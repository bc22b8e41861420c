// Package ansible_test checks the role and the playbook, where Ansible is there.
package ansible_test

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// playbook is Ansible's command. Nobody needs it to build or to test the rest.
func playbook(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("ansible-playbook")
	if err != nil {
		t.Skip("ansible-playbook is not installed")
	}
	return path
}

func TestSyntax(t *testing.T) {
	path := playbook(t)
	plays, err := filepath.Glob("*.yml")
	if err != nil || len(plays) == 0 {
		t.Fatalf("playbooks: %v, %v", plays, err)
	}
	for _, play := range append(plays, "testdata/role.yml") {
		cmd := exec.CommandContext(t.Context(), path, "--syntax-check", "-i", "testdata/hosts", play)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", play, err, out)
		}
	}
}
