// Command traffic makes traffic for nginx on loopback and accounts for every
// request; it is package traffic for the shell.
//
//	traffic upstream --listen 127.0.0.1:9000 &
//	traffic content --path /big --size 8MiB > /var/www/html/big
//	traffic run --duration 30s \
//	    --target kind=new,url=http://127.0.0.1/ \
//	    --target kind=keepalive,url=http://127.0.0.1/ \
//	    --target kind=download,url=http://127.0.0.1/big,size=8MiB \
//	    --target kind=stream,url=http://127.0.0.1/stream
//
// It links nothing but Go (CGO_ENABLED=0), so that it runs in any machine it is
// copied to.
package main
