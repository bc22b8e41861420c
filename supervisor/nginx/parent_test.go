package nginx

import (
	"os"
	"os/exec"
	"testing"
)

func TestParentOf(t *testing.T) {
	for name, test := range map[string]struct {
		own, parent string
		want        int
	}{
		"no container":                     {"Name:\tnginx\nNSpid:\t812\n", "NSpid:\t1\nName:\tinit\n", 1},
		"a subreaper":                      {"NSpid:\t812\n", "NSpid:\t455\n", 455},
		"the first process of a container": {"NSpid:\t4712\t9\n", "NSpid:\t4700\t1\n", 1},
		"another one in it":                {"NSpid:\t4712\t9\n", "NSpid:\t4705\t4\n", 4},
		"outside the container":            {"NSpid:\t4712\t1\n", "NSpid:\t4690\n", 0},
		"a container in a container":       {"NSpid:\t4712\t90\t9\n", "NSpid:\t4700\t80\t1\n", 1},
		"a parent that is in a deeper one": {"NSpid:\t812\n", "NSpid:\t455\t1\n", 455},
	} {
		if got, err := parentOf([]byte(test.own), []byte(test.parent)); err != nil || got != test.want {
			t.Errorf("%s: got %d, %v, want %d", name, got, err, test.want)
		}
	}
}

func TestParentOfRefuses(t *testing.T) {
	const good = "NSpid:\t1\n"
	for name, bad := range map[string]string{"empty": "", "no pid": "NSpid:\n", "no number": "NSpid:\tx\n", "the word elsewhere": "Name:\tNSpid:\n"} {
		if got, err := parentOf([]byte(bad), []byte(good)); err == nil {
			t.Errorf("%s: got %d", name, got)
		}
		if got, err := parentOf([]byte(good), []byte(bad)); err == nil {
			t.Errorf("%s, of the parent: got %d", name, got)
		}
	}
}

func TestReadParent(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "cat")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadParent(cmd.Process.Pid); err != nil || got != os.Getpid() {
		t.Errorf("of a child: got %d, %v, want %d", got, err, os.Getpid())
	}
	input.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if got, err := ReadParent(cmd.Process.Pid); err == nil {
		t.Errorf("of nobody: got %d", got)
	}
	if got, err := ReadParent(1); err != nil || got != 0 {
		t.Errorf("of the first process: got %d, %v", got, err)
	}
}
