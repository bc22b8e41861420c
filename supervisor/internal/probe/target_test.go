package probe

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTargetValid(t *testing.T) {
	tests := map[string]struct {
		target Target
		good   bool
	}{
		"http":            {Target{URL: "http://127.0.0.1/"}, true},
		"https":           {Target{URL: "HTTPS://example.org:8443/health?x=1"}, true},
		"ipv6":            {Target{URL: "http://[::1]:8080"}, true},
		"host":            {Target{URL: "http://127.0.0.1/", Host: "example.org:8080"}, true},
		"status":          {Target{URL: "http://127.0.0.1/", ExpectStatus: 401}, true},
		"unix":            {Target{URL: "http://localhost/", Unix: "/run/x.sock"}, true},
		"tcp":             {Target{TCP: "127.0.0.1:25"}, true},
		"exec":            {Target{Exec: []string{"/bin/true"}}, true},
		"nothing":         {Target{}, false},
		"two":             {Target{URL: "http://127.0.0.1/", TCP: "127.0.0.1:80"}, false},
		"no host":         {Target{URL: "http:///"}, false},
		"scheme":          {Target{URL: "ftp://127.0.0.1/"}, false},
		"no scheme":       {Target{URL: "127.0.0.1:80"}, false},
		"password":        {Target{URL: "http://a:b@127.0.0.1/"}, false},
		"port":            {Target{URL: "http://127.0.0.1:0/"}, false},
		"line break":      {Target{URL: "http://127.0.0.1/", Host: "a\r\nX: y"}, false},
		"no such status":  {Target{URL: "http://127.0.0.1/", ExpectStatus: 99}, false},
		"status of tcp":   {Target{TCP: "127.0.0.1:25", ExpectStatus: 200}, false},
		"host of program": {Target{Exec: []string{"/bin/true"}, Host: "example.org"}, false},
		"relative":        {Target{Exec: []string{"true"}}, false},
		"tcp port":        {Target{TCP: "127.0.0.1:99999"}, false},
		"tcp no port":     {Target{TCP: "127.0.0.1"}, false},
		"timeout":         {Target{TCP: "127.0.0.1:25", Timeout: -1}, false},
	}
	for name, test := range tests {
		err := test.target.Valid()
		if (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
		if !test.good && test.target.Ask(t.Context()).Asked() {
			t.Errorf("%s: it was asked", name)
		}
	}
}

func TestTargetString(t *testing.T) {
	tests := []struct {
		target Target
		want   string
	}{
		{Target{URL: "http://127.0.0.1:80/"}, "http 127.0.0.1:80"},
		{Target{URL: "https://[::1]:443/", Host: "example.org"}, "https [::1]:443 (example.org)"},
		{Target{URL: "http://localhost/health?a", Unix: "/run/x"}, "http unix:/run/x/health?a"},
		{Target{TCP: "127.0.0.1:25"}, "tcp 127.0.0.1:25"},
		{Target{Exec: []string{"/bin/check", "-q"}}, "exec /bin/check -q"},
	}
	for _, test := range tests {
		if got := test.target.String(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestTargetAccepts(t *testing.T) {
	url, tcp, program := Target{URL: "http://127.0.0.1/"}, Target{TCP: "127.0.0.1:1"}, Target{Exec: []string{"/bin/true"}}
	teapot := Target{URL: "http://127.0.0.1/", ExpectStatus: 418}
	tests := []struct {
		target Target
		answer Answer
		want   bool
	}{
		{url, Answer{Outcome: Status, Status: 200}, true},
		{url, Answer{Outcome: Status, Status: 301}, true},
		{url, Answer{Outcome: Status, Status: 404}, true},
		{url, Answer{Outcome: Status, Status: 499}, true},
		{url, Answer{Outcome: Status, Status: 500}, false},
		{url, Answer{Outcome: Certificate, Status: 200}, false},
		{url, Answer{Outcome: Closed}, false},
		{url, Answer{Outcome: Timeout}, false},
		{url, Answer{Outcome: Connected}, false},
		{teapot, Answer{Outcome: Status, Status: 418}, true},
		{teapot, Answer{Outcome: Status, Status: 200}, false},
		{tcp, Answer{Outcome: Connected}, true},
		{tcp, Answer{Outcome: Refused}, false},
		{program, Answer{Outcome: "exit-0"}, true},
		{program, Answer{Outcome: "exit-1"}, false},
		{program, Answer{Outcome: Killed}, false},
	}
	for _, test := range tests {
		if got := test.target.Accepts(test.answer); got != test.want {
			t.Errorf("%v, %+v: %v", test.target, test.answer, got)
		}
	}
}

func TestAddresses(t *testing.T) {
	tests := []struct {
		target Target
		want   []string
	}{
		{Target{URL: "http://127.0.0.1/"}, []string{"127.0.0.1:80"}},
		{Target{URL: "https://10.1.2.3/"}, []string{"10.1.2.3:443"}},
		{Target{URL: "http://0.0.0.0:8080/"}, []string{"127.0.0.1:8080"}},
		{Target{URL: "http://[::]:8080/"}, []string{"[::1]:8080", "127.0.0.1:8080"}},
		{Target{URL: "http://[2001:db8::1]/"}, []string{"[2001:db8::1]:80"}},
		{Target{URL: "https://example.org/"}, []string{"127.0.0.1:443", "[::1]:443"}}, // never what DNS says
		{Target{TCP: "0.0.0.0:25"}, []string{"127.0.0.1:25"}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, test.target.addresses()); diff != "" {
			t.Errorf("%v: %s", test.target, diff)
		}
	}
}

func TestNameOf(t *testing.T) {
	for host, want := range map[string]string{
		"example.org": "example.org", "example.org:443": "example.org", "EXAMPLE.org.": "EXAMPLE.org.", "a_b-c.d": "a_b-c.d",
		"127.0.0.1": "", "127.0.0.1:80": "", "::1": "", "[::1]:80": "", "localhost": "", "localhost:80": "",
		"": "", "_": "", "*.example.org": "", ".example.org": "", "~^www": "", "a..b": "", "a b": "", "a\nb": "", "www.*": "",
	} {
		if got := nameOf(host); got != want {
			t.Errorf("%q: got %q", host, got)
		}
	}
}
