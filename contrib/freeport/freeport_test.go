package freeport

import (
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

func TestNoPortTwice(t *testing.T) {
	seen := map[string]bool{}
	for range 300 {
		_, port, err := net.SplitHostPort(Address(t))
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] {
			t.Fatalf("port %s was given twice", port)
		}
		seen[port] = true
	}
}

// A port of another process, which does not listen on it yet, is not given.
func TestClaimsOfOtherProcesses(t *testing.T) {
	const port = "TEST_CLAIMED_PORT"
	if claimed := os.Getenv(port); claimed != "" {
		n, err := strconv.Atoi(claimed)
		if err != nil {
			t.Fatal(err)
		}
		if claim(n) {
			t.Error("claimed")
		}
		return
	}
	_, mine, err := net.SplitHostPort(Address(t))
	if err != nil {
		t.Fatal(err)
	}
	other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestClaimsOfOtherProcesses$")
	other.Env = append(os.Environ(), port+"="+mine)
	if out, err := other.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestUsedByOthers(t *testing.T) {
	address := Address(t)
	l, err := net.Listen("tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := bind("tcp4", address); err == nil {
		t.Error("somebody listens there")
	}
	if udp := On(t, "udp4", "127.0.0.1"); udp == "" {
		t.Error("no UDP port")
	}
	if other := On(t, "tcp4", "192.0.2.1"); other != "" {
		t.Errorf("%s is not of this machine", other)
	}
}
