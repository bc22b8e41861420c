package main

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/box"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/packages"
)

// repository makes nginx and what belongs to it available to apt in a version that
// is newer than all before.
func repository(ctx context.Context, m *machine) error {
	root, err := box.Root(ctx, m.release, m.log)
	if err != nil {
		return err
	}
	archive, err := packages.Fetch(ctx, m.release, root, m.log)
	if err != nil {
		return err
	}
	m.repositories++
	dir := fmt.Sprintf("/srv/packages/%d", m.repositories)
	changes := map[string]packages.Change{
		"nginx":               packages.Version(byte('2' + m.repositories%8)),
		"nginx-common":        packages.Nothing,
		"libnginx-mod-stream": packages.Marked(packages.Modules, fmt.Sprint("build ", m.repositories)),
	}
	if err := archive.Repack(ctx, m.Path(dir), fmt.Sprintf("+next%d", m.repositories), changes); err != nil {
		return err
	}
	if err := m.WriteFile("/etc/apt/sources.list", []byte("deb [trusted=yes] file:"+dir+" ./\n"), 0o644); err != nil {
		return err
	}
	_, err = m.run(ctx, "apt-get -q update")
	return err
}

// upgradePackages is what an administrator does.
func upgradePackages(ctx context.Context, m *machine) error {
	_, err := m.run(ctx, "DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 install nginx nginx-common libnginx-mod-stream")
	return err
}

// adoptPackage installs the project's Debian package and waits until it looks after
// nginx.
func (m *machine) adoptPackage(ctx context.Context, config string) error {
	deb, err := m.ourPackage(ctx)
	if err != nil {
		return err
	}
	const inside = "/root/nginx-hotswap.deb"
	if err := m.CopyIn(deb, inside); err != nil {
		return err
	}
	if err := m.WriteFile(dropInPath, []byte(config), 0o644); err != nil {
		return err
	}
	if _, err := m.run(ctx, "DEBIAN_FRONTEND=noninteractive apt-get -q -y install "+inside); err != nil {
		return err
	}
	return m.attached(ctx)
}

// ourPackage builds the package once.
func (b *bench) ourPackage(ctx context.Context) (string, error) {
	dir := filepath.Join(b.dir, "deb")
	found, err := filepath.Glob(path.Join(dir, "*.deb"))
	if err != nil || len(found) > 0 {
		return strings.Join(found, " "), err
	}
	if err := b.make(ctx, "sh", "-c", `packaging/deb/build "$(packaging/version)" "$(dpkg --print-architecture)" "$0"`, dir); err != nil {
		return "", err
	}
	if found, err = filepath.Glob(path.Join(dir, "*.deb")); err == nil && len(found) != 1 {
		err = fmt.Errorf("the package is not there: %v", found)
	}
	return strings.Join(found, " "), err
}
