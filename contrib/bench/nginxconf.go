package main

import (
	"context"
	"fmt"
	"strings"
)

// nginxConf is a whole configuration, for what depends on its size.
type nginxConf struct {
	load
	pid, listen string
	connections int // of a worker; 0 is nginx's default
}

func (c nginxConf) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "user www-data;\nworker_processes %d;\npid %s;\nerror_log /var/log/nginx/error.log;\n", c.Workers, c.pid)
	listen := c.listen
	if c.connections > 0 {
		listen += " reuseport" // so that no worker gets more than its share
	}
	fmt.Fprintf(&b, "events { worker_connections %d; }\n", max(512, c.connections))
	// A connection with half a request in it is not idle: an old worker waits for
	// the rest of it.
	b.WriteString("http {\naccess_log off;\nclient_header_timeout 1h;\nserver_names_hash_max_size 65536;\nserver_names_hash_bucket_size 128;\n")
	for i := range c.Blocks {
		fmt.Fprintf(&b, "server { listen %s; server_name s%d.example; location / { return 200 \"it serves\\n\"; } }\n", listen, i)
		listen = c.listen
	}
	b.WriteString("}\n")
	return b.String()
}

// configure gives the distribution's nginx a configuration of ours and starts it
// anew.
func (m *machine) configure(ctx context.Context, c nginxConf) error {
	c.pid, c.listen = "/run/nginx.pid", siteListen
	if err := m.WriteFile("/etc/nginx/nginx.conf", []byte(c.String()), 0o644); err != nil {
		return err
	}
	_, err := m.run(ctx, "systemctl restart nginx")
	return err
}
