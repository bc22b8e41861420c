package main

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

// The site is one more server in the distribution's configuration, with something
// for every kind of client. Downloads and streams are short enough for the old
// workers to finish by themselves while the demo runs.
const (
	snippetPath = "/etc/nginx/conf.d/nginx-hotswap-demo.conf"
	siteDir     = "/var/lib/nginx-hotswap-demo"
	siteListen  = "127.0.0.1:8089"
	siteUnix    = "/run/nginx-hotswap-demo.sock"
	bigSize     = 4 << 20
	bigRate     = 512 << 10 // bytes per second: 8 s for a download
)

// writeSite starts the upstream of the streams and writes the server and its files.
func (m *machine) writeSite(ctx context.Context) error {
	upstream, err := m.startUpstream(ctx)
	if err != nil {
		return err
	}
	m.site = traffic.Site{Listen: siteListen, Unix: siteUnix, Upstream: upstream, BigSize: bigSize}
	if err := m.box.WriteFile(snippetPath, []byte(snippet(m.site)), 0o644); err != nil {
		return err
	}
	if err := m.box.WriteFile(path.Join(siteDir, "index.html"), []byte("<!doctype html><title>demo</title><p>It serves.\n"), 0o644); err != nil {
		return err
	}
	_, err = m.run(ctx, fmt.Sprintf("%s content --path /big --size %d >%s", trafficPath, bigSize, path.Join(siteDir, "big")))
	return err
}

func snippet(s traffic.Site) string {
	var b strings.Builder
	b.WriteString(traffic.StreamMap)
	// The small send buffer makes a slow download one in which nginx has a part
	// to the end; left to itself the kernel would take most of it at once.
	fmt.Fprintf(&b, "server {\nlisten %s sndbuf=131072;\nlisten unix:%s;\nroot %s;\naccess_log off;\nserver_tokens on;\n", s.Listen, s.Unix, siteDir)
	b.WriteString(traffic.StreamLocation("/stream", s.Upstream))
	b.WriteString("}\n")
	return b.String()
}

// targets are those of the site, as the traffic command takes them.
func targets(s traffic.Site) []string {
	var list []string
	for _, t := range s.Targets() {
		text := fmt.Sprintf("kind=%s,url=%s", t.Kind, t.URL)
		switch t.Kind {
		case traffic.Unix:
			text += ",unix=" + t.Unix
		case traffic.Download:
			text += fmt.Sprintf(",size=%d,rate=%d", t.Size, bigRate)
		case traffic.Stream:
			text += ",hold=5s"
		}
		list = append(list, text)
	}
	return list
}
