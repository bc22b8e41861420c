package report

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/nginxtest"
)

// browser is a Chromium that was built without windows and without the services
// that call home. All that it wants from the network
// goes to a proxy that has nothing and remembers who was asked for.
type browser struct {
	program string
	proxy   net.Listener
	scheme  string // light or dark
	width   int

	mu    sync.Mutex
	asked []string
}

// browserLimit is for a busy machine; a page takes less than a second.
const browserLimit = 60 * time.Second

func newBrowser(t *testing.T, scheme string, width int) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium-headless-shell")
	if err != nil {
		nginxtest.Unable(t, "there is no headless Chromium (apt-get install chromium-headless-shell fonts-dejavu-core)")
	}
	b := &browser{program: program, scheme: scheme, width: width}
	if b.proxy, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.proxy.Close() })
	go b.listen()
	return b
}

func (b *browser) listen() {
	for {
		conn, err := b.proxy.Accept()
		if err != nil {
			return // the test is over
		}
		_ = conn.SetDeadline(time.Now().Add(browserLimit))
		request := make([]byte, 200)
		n, _ := conn.Read(request)
		first, _, _ := strings.Cut(string(request[:n]), "\r\n")
		b.mu.Lock()
		b.asked = append(b.asked, first)
		b.mu.Unlock()
		conn.Close()
	}
}

// loaded is what was asked for so far.
func (b *browser) loaded() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}

// run opens a page and returns the standard output.
func (b *browser) run(t *testing.T, page string, height int, what string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	preferred := map[string]string{"dark": "0", "light": "1"}[b.scheme]
	cmd := exec.CommandContext(t.Context(), b.program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-extensions",
		"--disable-domain-reliability", "--disable-breakpad", "--disable-dev-shm-usage", "--no-pings", "--hide-scrollbars",
		"--proxy-server="+b.proxy.Addr().String(), "--proxy-bypass-list=<-loopback>", "--user-data-dir="+filepath.Join(dir, "profile"),
		"--blink-settings=preferredColorScheme="+preferred, fmt.Sprintf("--window-size=%d,%d", b.width, height), what, "file://"+file)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir, "DBUS_SESSION_BUS_ADDRESS=disabled:")
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	timer := time.AfterFunc(browserLimit, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Run(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, stderr.String())
	}
	return stdout.String()
}

// dump is the document after the page was laid out and its scripts have run.
func (b *browser) dump(t *testing.T, page string) string {
	t.Helper()
	return b.run(t, page, 1000, "--dump-dom")
}

// screenshot is the page as it looks. Where REPORT_SCREENSHOTS names a directory
// it is kept there for people to look at.
func (b *browser) screenshot(t *testing.T, page string, height int, name string) image.Image {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.png")
	b.run(t, page, height, "--screenshot="+file)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("REPORT_SCREENSHOTS"); dir != "" {
		kept := filepath.Join(dir, name+"-"+b.scheme+"-"+strconv.Itoa(b.width)+".png")
		if err := os.WriteFile(kept, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

func write(t *testing.T, r Report) string {
	t.Helper()
	var page strings.Builder
	if err := r.Write(&page); err != nil {
		t.Fatal(err)
	}
	return page.String()
}
