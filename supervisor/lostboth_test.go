package supervisor_test

import (
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// Where both masters are killed the successor's workers serve on and stand in the
// way of a new master: a person has to know that, and which they are.
func TestBothMastersKilled(t *testing.T) {
	t.Parallel()
	n, r, answer := inPhase(t, supervisor.Soaking, nil)
	successor := n.PID(t)
	for _, pid := range []int{n.Master, successor} {
		signal(t, pid, unix.SIGKILL)
	}
	out := <-answer
	command := regexp.MustCompile("`(kill -QUIT [0-9 ]+)`").FindStringSubmatch(out.Text)
	if out.Result != supervisor.Lost || command == nil || !strings.Contains(out.Text, "then start nginx") {
		t.Fatalf("got %+v", out)
	}
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + n.Listen + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	r.waitFor(t, "a person is called", func(s supervisor.Status) bool { return strings.Contains(s.Alert, "serve without a master") })
	if text, err := exec.CommandContext(t.Context(), "sh", "-c", command[1]).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command[1], err, text)
	}
	nginxtest.Eventually(t, "nobody listens", func() bool {
		resp, err := client.Get("http://" + n.Listen + "/")
		if err == nil {
			resp.Body.Close()
		}
		return err != nil
	})
}
