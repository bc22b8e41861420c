package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nginx-hotswap/nginx-hotswap/contrib/traffic"
)

// run executes a command line in this process.
func run(t *testing.T, in io.Reader, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c := command()
	c.SetArgs(args)
	c.SetIn(in)
	c.SetOut(&out)
	err := c.ExecuteContext(t.Context())
	return out.String(), err
}

func TestParseTarget(t *testing.T) {
	tests := []struct {
		text string
		want traffic.Target
		err  string
	}{
		{"url=http://127.0.0.1/?a=b", traffic.Target{URL: "http://127.0.0.1/?a=b"}, ""},
		{
			"kind=download,url=http://127.0.0.1/big,clients=2,interval=5ms,rate=64KiB,status=206,size=8MiB,sha256=ab",
			traffic.Target{
				Kind: traffic.Download, URL: "http://127.0.0.1/big", Clients: 2, Interval: 5 * time.Millisecond,
				Rate: 64 << 10, ExpectStatus: 206, Size: 8 << 20, ExpectSHA256: "ab",
			}, "",
		},
		{"kind=stream,unix=/run/s,hold=3s", traffic.Target{Kind: traffic.Stream, Unix: "/run/s", Hold: 3 * time.Second}, ""},
		{"kind", traffic.Target{}, `"kind" is not KEY=VALUE`},
		{"colour=red", traffic.Target{}, `unknown key "colour"`},
		{"clients=many", traffic.Target{}, "cannot read clients"},
		{"rate=3KB", traffic.Target{}, "cannot read rate"},
		{"hold=3", traffic.Target{}, "cannot read hold"},
	}
	for _, tt := range tests {
		got, err := parseTarget(tt.text)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: error is %v, not %q", tt.text, err, tt.err)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", tt.text, err, diff)
		}
	}
}

// TestRun streams to an upstream until standard input ends.
func TestRun(t *testing.T) {
	u, err := traffic.EchoUpstream("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	input, end := io.Pipe()
	time.AfterFunc(2*time.Second, func() { end.Close() })
	file := filepath.Join(t.TempDir(), "report.json")
	out, err := run(t, input, "run", "--until-eof", "--json", file, "--target", "kind=stream,clients=2,url=http://"+u.Addr())
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(out, "2 downloads and streams complete") {
		t.Errorf("table:\n%s", out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r traffic.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if s := r.Kinds[traffic.Stream]; s.OK != 2 || s.Echoes == 0 {
		t.Errorf("%+v", s)
	}
}

func TestRunFails(t *testing.T) {
	u, err := traffic.EchoUpstream("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.Close() // nobody listens any more
	out, err := run(t, nil, "run", "--duration", "1s", "--json", "-", "--target", "url=http://"+u.Addr())
	if err == nil || !strings.Contains(err.Error(), "requests failed") {
		t.Errorf("error is %v", err)
	}
	var r traffic.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r.Total.Failed == 0 || r.Total.ByKind[traffic.ConnectRefused] != r.Total.Failed {
		t.Errorf("%+v", r.Total)
	}
}

func TestContent(t *testing.T) {
	out, err := run(t, nil, "content", "--path", "/a", "--size", "3KiB")
	if err != nil {
		t.Fatal(err)
	}
	want, err := io.ReadAll(traffic.Content("/a", 3<<10))
	if err != nil || out != string(want) {
		t.Errorf("content differs (%v)", err)
	}
}
