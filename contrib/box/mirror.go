package box

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// mirrors are the addresses of Debian's archives as the host's apt has them.
type mirrors struct {
	archive  string
	security string // "" when the host has none
}

// securityOf returns the address of the security updates of release, which
// unstable does without.
func (m mirrors) securityOf(release string) string {
	if release == "sid" || release == "unstable" {
		return ""
	}
	return m.security
}

// hostMirrors asks apt, which knows both formats of its sources: apt-get(8),
// indextargets.
func hostMirrors(ctx context.Context) (mirrors, error) {
	osRelease, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return mirrors{}, err
	}
	codename, err := debianCodename(osRelease)
	if err != nil {
		return mirrors{}, err
	}
	targets, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)",
		"Created-By: Packages").Output()
	if err != nil {
		return mirrors{}, fmt.Errorf("cannot read apt's sources: %w", err)
	}
	return parseMirrors(targets, codename)
}

// debianCodename returns the VERSION_CODENAME of an os-release(5) file of Debian.
func debianCodename(osRelease []byte) (string, error) {
	fields := map[string]string{}
	for s := bufio.NewScanner(bytes.NewReader(osRelease)); s.Scan(); {
		if key, value, ok := strings.Cut(s.Text(), "="); ok {
			fields[key] = strings.Trim(value, `"'`)
		}
	}
	if fields["ID"] != "debian" || fields["VERSION_CODENAME"] == "" {
		return "", errors.New("this host is not a release of Debian, whose apt sources would name a mirror: use one, or a container of it")
	}
	return fields["VERSION_CODENAME"], nil
}

// parseMirrors picks the host release's own archives from lines of a suite and an
// address.
func parseMirrors(targets []byte, codename string) (m mirrors, err error) {
	for line := range strings.Lines(string(targets)) {
		suite, uri, _ := strings.Cut(strings.TrimSpace(line), " ")
		uri = strings.TrimSuffix(uri, "/")
		switch suite {
		case codename:
			m.archive = uri
		case codename + "-security", codename + "/updates":
			m.security = uri
		}
	}
	if m.archive == "" {
		return m, fmt.Errorf("no source of %s in /etc/apt: add one", codename)
	}
	return m, nil
}
