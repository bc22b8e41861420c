package packages

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
)

// Archive has packages of a release as the release's archive holds them.
type Archive struct {
	dir string
}

// wanted are the packages that an upgrade of nginx consists of, by pattern of
// apt-get(8): libssl has another name in each release.
var wanted = regexp.MustCompile(`^(nginx|nginx-common|libnginx-mod-stream|libssl[0-9].*|openssl|openssl-provider-legacy)$`)

// tools have hooks of their own in an upgrade, or carry it out.
var tools = []string{"needrestart", "unattended-upgrades"}

// Fetch returns the packages that nginx in root, a Debian of that release, is made
// of, and needrestart and unattended-upgrades with all that they need there. They
// are downloaded from root's own sources and kept in the user's cache directory for
// as long as root has the same ones. root is only read.
func Fetch(ctx context.Context, release, root string, log io.Writer) (Archive, error) {
	if err := box.CheckRelease(release); err != nil {
		return Archive{}, err
	}
	has, err := installed(ctx, root)
	if err != nil {
		return Archive{}, err
	}
	cache, err := box.CacheDir("packages")
	if err != nil {
		return Archive{}, err
	}
	hash := sha256.Sum256([]byte(strings.Join(append(has, tools...), "\n")))
	dir := filepath.Join(cache, fmt.Sprintf("%s-%x", release, hash[:4]))
	if _, err := os.Stat(dir); err == nil {
		return Archive{dir}, nil
	}
	if err := fill(ctx, root, dir, has, log); err != nil {
		return Archive{}, fmt.Errorf("cannot fetch the packages of %s: %w", release, err)
	}
	return Archive{dir}, nil
}

// fill downloads beside dir and moves it there when it is complete.
func fill(ctx context.Context, root, dir string, has []string, log io.Writer) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	partial, err := os.MkdirTemp(filepath.Dir(dir), ".partial-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(partial)
	if err := download(ctx, root, partial, has, log); err != nil {
		return err
	}
	// Whoever comes first wins: the contents are the same.
	if err := os.Rename(filepath.Join(partial, "archives"), dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// download fills dir/archives with the packages that root has, each "name=version",
// in the versions of today. It is the host's apt with the sources, the keys and the
// installed packages of root, so that it works where the host's apt does.
func download(ctx context.Context, root, dir string, has []string, log io.Writer) error {
	for _, sub := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	get := []string{"download"}
	for _, pkg := range has {
		name, _, _ := strings.Cut(pkg, "=")
		get = append(get, name)
	}
	install := append([]string{"-y", "--download-only", "install"}, tools...)
	for _, command := range [][]string{{"update"}, get, install} {
		args := []string{"-q"}
		for _, option := range aptOptions(root, dir) {
			args = append(args, "-o", option)
		}
		cmd := exec.CommandContext(ctx, "apt-get", append(args, command...)...)
		cmd.Dir = filepath.Join(dir, "archives")
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s: %w", strings.Join(command, " "), err)
		}
	}
	return nil
}

// aptOptions make apt work on root with all of its own files in dir.
func aptOptions(root, dir string) []string {
	return []string{
		"Dir::Etc::sourcelist=" + filepath.Join(root, "etc/apt/sources.list"),
		"Dir::Etc::sourceparts=/dev/null",
		"Dir::Etc::trustedparts=" + filepath.Join(root, "etc/apt/trusted.gpg.d") + "/",
		"Dir::State::status=" + filepath.Join(root, "var/lib/dpkg/status"),
		"Dir::State::extended_states=" + filepath.Join(dir, "extended_states"),
		"Dir::State::lists=" + filepath.Join(dir, "lists"),
		"Dir::Cache=" + dir,
		"Dir::Cache::archives=" + filepath.Join(dir, "archives"),
		"Acquire::Languages=none", "Acquire::Check-Valid-Until=false",
		"APT::Install-Recommends=false", "APT::Sandbox::User=root",
		"Debug::NoLocking=true", // nothing of the host's state is touched
	}
}

// installed returns what root has of the wanted packages, each "name=version".
func installed(ctx context.Context, root string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "dpkg-query", "--admindir", filepath.Join(root, "var/lib/dpkg"),
		"-W", "-f", "${Package}=${Version}\\n").Output()
	if err != nil {
		return nil, fmt.Errorf("cannot list the packages in %s: %w", root, err)
	}
	var has []string
	for pkg := range strings.FieldsSeq(string(out)) {
		if name, _, _ := strings.Cut(pkg, "="); wanted.MatchString(name) {
			has = append(has, pkg)
		}
	}
	return has, nil
}

// Files returns the paths of all packages that were downloaded.
func (a Archive) Files() ([]string, error) {
	return filepath.Glob(filepath.Join(a.dir, "*.deb"))
}

// file returns the path of the package of that name.
func (a Archive) file(name string) (string, error) {
	found, err := filepath.Glob(filepath.Join(a.dir, name+"_*.deb"))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d packages %s in %s instead of one: remove the directory to download them anew", len(found), name, a.dir)
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}
