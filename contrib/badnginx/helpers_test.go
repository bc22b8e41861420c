package badnginx

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// aborted is what a master says of a worker that called abort.
const aborted = "exited on signal 6"

// start runs a bad build by hand.
func start(t *testing.T, kind Kind, after ...time.Duration) *nginxtest.Nginx {
	t.Helper()
	n := nginxtest.Prepare(t, traffic.Site{})
	nginxtest.Install(t, n.Binary, Make(t, n.Dir, kind, '9', after...))
	n.Launch(t) // the workers of some are never ready
	return n
}

func newer(n *nginxtest.Nginx) string { return n.Version[:len(n.Version)-1] + "9" }

// get asks for the first page over a new connection.
func get(n *nginxtest.Nginx) (status int, server string, err error) {
	return getWithin(n, time.Minute)
}

func getWithin(n *nginxtest.Nginx, limit time.Duration) (status int, server string, err error) {
	client := http.Client{Timeout: limit, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + n.Listen + "/")
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	return answer.StatusCode, answer.Header.Get("Server"), nil
}

func tree(t *testing.T, master int) nginx.Tree {
	t.Helper()
	p, err := nginx.Open(master)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	found, err := nginx.ReadTree(p.ID)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func signal(t *testing.T, pid int, sig unix.Signal) {
	t.Helper()
	p, err := nginx.Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func errorLog(t *testing.T, n *nginxtest.Nginx) string {
	t.Helper()
	data, err := os.ReadFile(n.ErrorLogPath())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// waitForLog waits for a line that contains both.
func waitForLog(t *testing.T, n *nginxtest.Nginx, first, second string) {
	t.Helper()
	nginxtest.Eventually(t, first+" ... "+second, func() bool {
		for line := range strings.Lines(errorLog(t, n)) {
			if _, rest, ok := strings.Cut(line, first); ok && strings.Contains(rest, second) {
				return true
			}
		}
		return false
	})
}
