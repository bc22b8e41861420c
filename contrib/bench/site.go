package main

import (
	"context"
	"fmt"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

const (
	siteListen = "127.0.0.1:8089"
	siteSocket = "/run/nginx-hotswap-bench.sock"
	siteURL    = "http://" + siteListen + "/"
	sitePath   = "/etc/nginx/conf.d/nginx-hotswap-bench.conf"
	siteDir    = "/srv/bench"
	upstreamAt = "127.0.0.1:9000"
	// site is one more server in the distribution's configuration. What is given
	// comes into its http context, and into the server.
	site = `%sserver {
    listen ` + siteListen + ` sndbuf=128k;
    listen unix:` + siteSocket + `;
    server_tokens on;
    access_log off;
    root ` + siteDir + `;
    location = / { return 200 "it serves\n"; }
%s}
`
	// bigSize at bigRate takes eight seconds: with what the kernel holds longer than
	// Debian's unit waits for old workers when it stops nginx.
	bigSize, bigRate = 2 << 20, 256 << 10
)

// writeSite puts the site into the configuration, with something for every kind of
// client, and starts nginx anew.
func (m *machine) writeSite(ctx context.Context) error {
	text := fmt.Sprintf(site, traffic.StreamMap, traffic.StreamLocation("/stream", upstreamAt))
	if err := m.WriteFile(sitePath, []byte(text), 0o644); err != nil {
		return err
	}
	_, err := m.run(ctx, fmt.Sprintf(`mkdir -p %s; chmod 755 %[1]s; %straffic content --path /big --size %d >%[1]s/big
		systemctl -q is-active bench-upstream || systemd-run -q --unit=bench-upstream %[2]straffic upstream --listen %[4]s
		systemctl restart nginx`, siteDir, toolDir, bigSize, upstreamAt))
	return err
}

// everyKind are clients of every kind, which together leave the processors to those
// who are measured.
var everyKind = []string{
	"kind=new,clients=4,interval=4ms,url=" + siteURL,
	"kind=keepalive,clients=4,interval=5ms,url=" + siteURL,
	"kind=unix,clients=2,interval=5ms,url=http://localhost/,unix=" + siteSocket,
	fmt.Sprintf("kind=download,clients=3,rate=%d,size=%d,url=%sbig", bigRate, bigSize, siteURL),
	"kind=stream,clients=3,hold=3s,url=" + siteURL + "stream",
}
