package traffic

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
)

// StreamMap is the directive of the http context that [StreamLocation] needs, as
// nginx's documentation of WebSocket proxying has it.
const StreamMap = `map $http_upgrade $connection_upgrade {
    default upgrade;
    ''      close;
}
`

// StreamLocation returns the location that leads path to an upstream (see
// [Upstream.Addr]). Without proxy_read_timeout nginx cuts a tunnel that is silent
// for a minute.
func StreamLocation(path, upstream string) string {
	target := "http://" + upstream
	if strings.HasPrefix(upstream, "unix:") {
		target += ":" // the end of the socket's path
	}
	return fmt.Sprintf(`location %s {
    proxy_pass %s;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_read_timeout 1h;
    proxy_send_timeout 1h;
}
`, path, target)
}

// sendBuffer is the SO_SNDBUF of a site's TCP listener in bytes. Left to itself
// the kernel takes up to 4 MiB (tcp_wmem; 2.8 MB measured) of a download from nginx
// whatever the client reads, and a worker that dies then cuts nothing.
const sendBuffer = 128 << 10

// NginxConfig returns the whole nginx.conf of s. It needs no file of the
// distribution, and all that it writes is below s.Dir.
func NginxConfig(s Site) string {
	var b strings.Builder
	if s.User != "" {
		fmt.Fprintf(&b, "user %s;\n", s.User)
	}
	fmt.Fprintf(&b, "worker_processes %d;\npid %s;\nerror_log %s notice;\n",
		cmp.Or(s.Workers, 2), s.PIDPath(), s.ErrorLogPath())
	if s.Extra != "" {
		fmt.Fprintln(&b, s.Extra)
	}
	b.WriteString("events { worker_connections 1024; }\nhttp {\n")
	b.WriteString(indent(s.httpContext()))
	b.WriteString("}\n")
	return b.String()
}

func (s Site) httpContext() string {
	var b strings.Builder
	b.WriteString("access_log off;\ndefault_type text/html;\n")
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "%s_temp_path %s;\n", kind, filepath.Join(s.Dir, "tmp-"+kind))
	}
	if s.Upstream != "" {
		b.WriteString(StreamMap)
	}
	fmt.Fprintf(&b, "server {\n    listen %s sndbuf=%d;\n", s.Listen, sendBuffer)
	if s.Unix != "" {
		fmt.Fprintf(&b, "    listen unix:%s;\n", s.Unix)
	}
	fmt.Fprintf(&b, "    root %s;\n    location / { index index.html; }\n", filepath.Join(s.Dir, "html"))
	if s.Upstream != "" {
		b.WriteString(indent(StreamLocation("/stream", s.Upstream)))
	}
	b.WriteString("}\n")
	return b.String()
}

// indent moves each line of a block one level in.
func indent(block string) string {
	return "    " + strings.TrimSuffix(strings.ReplaceAll(block, "\n", "\n    "), "    ")
}
