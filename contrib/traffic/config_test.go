package traffic

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestConfig(t *testing.T) {
	u := "http://127.0.0.1/"
	tests := []struct {
		name   string
		config Config
		want   string // part of the error
	}{
		{"nothing", Config{}, "without a target"},
		{"new", Config{Targets: []Target{{URL: u}}}, ""},
		{"kind", Config{Targets: []Target{{URL: u, Kind: "quic"}}}, `kind "quic"`},
		{"TLS", Config{Targets: []Target{{URL: "https://127.0.0.1/"}}}, "it must be http://"},
		{"no host", Config{Targets: []Target{{URL: "/"}}}, "it must be http://"},
		{"unix", Config{Targets: []Target{{URL: u, Kind: Unix}}}, "without the path of a socket"},
		{"clients", Config{Targets: []Target{{URL: u, Clients: 5000}}}, "use 1 to 1024"},
		{"interval", Config{Targets: []Target{{URL: u, Interval: 1}}}, "use 100µs or more"},
		{"sum", Config{Targets: []Target{{URL: u, ExpectSHA256: "abcd"}}}, "64 hexadecimal digits"},
		{"rate", Config{Targets: []Target{{URL: u, Kind: Download, Rate: -1}}}, "negative"},
		{"grace", Config{Targets: []Target{{URL: u}}, Grace: -1}, "negative"},
		{"too many connections", Config{Targets: []Target{
			{URL: u, Clients: 8, Interval: time.Millisecond},
			{URL: u, Clients: 8, Interval: time.Millisecond},
		}}, "cannot make 16000 connections a second"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.config.complete()
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error is %v, not %q", err, tt.want)
			}
		})
	}
}

func TestAddress(t *testing.T) {
	tests := []struct {
		target Target
		want   [3]string
	}{
		{Target{URL: "http://127.0.0.1"}, [3]string{"tcp", "127.0.0.1:80", "/"}},
		{Target{URL: "http://127.0.0.1:8080/a?b"}, [3]string{"tcp", "127.0.0.1:8080", "/a"}},
		{Target{URL: "http://[::1]:81/"}, [3]string{"tcp", "[::1]:81", "/"}},
		{Target{URL: "http://x/", Unix: "/run/s"}, [3]string{"unix", "/run/s", "/"}},
	}
	for _, tt := range tests {
		network, address := tt.target.address()
		if diff := cmp.Diff(tt.want, [3]string{network, address, tt.target.path()}); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.target, diff)
		}
	}
}
