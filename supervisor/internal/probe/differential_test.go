package probe

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

func TestMetBy(t *testing.T) {
	status := func(n int, leaf string) Answer { return Answer{Outcome: Status, Status: n, Leaf: leaf} }
	flawed := func(n int, leaf string) Answer { return Answer{Outcome: Certificate, Status: n, Leaf: leaf} }
	end := func(o Outcome, leaf string) Answer { return Answer{Outcome: o, Leaf: leaf} }
	tests := map[string]struct {
		want, got Answer
		met       bool
	}{
		"same":                          {status(200, ""), status(200, ""), true},
		"another":                       {status(200, ""), status(404, ""), false},
		"500":                           {status(200, ""), status(500, ""), false},
		"redirect gone":                 {status(301, ""), status(200, ""), false},
		"it was down":                   {status(502, ""), status(200, ""), true},
		"it is down otherwise":          {status(502, ""), status(504, ""), true},
		"it was down, now it closes":    {status(502, ""), end(Closed, ""), false},
		"no answer":                     {status(200, ""), end(Timeout, ""), false},
		"refused":                       {status(200, ""), end(Refused, ""), false},
		"garbage":                       {status(200, ""), end(NotHTTP, ""), false},
		"no TLS any more":               {status(200, "a"), end(NotTLS, ""), false},
		"closed as before":              {end(Closed, ""), end(Closed, ""), true},
		"reset instead":                 {end(Closed, ""), end(Reset, ""), true},
		"closed instead":                {end(Reset, ""), end(Closed, ""), true},
		"closed after the handshake":    {end(Closed, "a"), end(Closed, "b"), true},
		"now before the handshake":      {end(Closed, "a"), end(Closed, ""), false},
		"closed, now it answers":        {end(Closed, ""), status(200, ""), false},
		"refused handshake":             {end(NoHandshake, ""), end(NoHandshake, ""), true},
		"handshake taken":               {end(NoHandshake, ""), status(200, "a"), false},
		"certificate renewed":           {status(200, "a"), status(200, "b"), true},
		"another, not valid":            {status(200, "a"), flawed(200, "b"), false},
		"the same has run out":          {status(200, "a"), flawed(200, "a"), true},
		"it was not valid before":       {flawed(200, "a"), flawed(200, "b"), true},
		"it was not valid, now it is":   {flawed(200, "a"), status(200, "b"), true},
		"not valid before, and 500 now": {flawed(200, "a"), flawed(500, "a"), false},
	}
	for name, test := range tests {
		if got := (Expectation{Want: test.want}).metBy(test.got); got != test.met {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestMismatch(t *testing.T) {
	for status, upstream := range map[int]bool{404: false, 500: false, 501: false, 502: true, 503: true, 504: true, 505: false} {
		m := Mismatch{
			Target: Target{URL: "http://127.0.0.1:80/"},
			Want:   Answer{Outcome: Status, Status: 200, Text: "200"},
			Got:    Answer{Outcome: Status, Status: status, Text: fmt.Sprint(status)},
		}
		if got, want := m.String(), fmt.Sprintf("http 127.0.0.1:80: %d instead of 200", status); got != want {
			t.Errorf("got %q", got)
		}
		if got := m.Upstream(); got != upstream {
			t.Errorf("%d: upstream is %v", status, got)
		}
	}
}

// What was learned can be written down, and is checked by whoever reads it.
func TestCheckAfterJSON(t *testing.T) {
	var status atomic.Int64
	status.Store(200)
	var listeners []nginx.Listener
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		serveOn(t, l, func(c net.Conn) { answer(fmt.Sprintf("HTTP/1.1 %d x\r\n\r\n", status.Load()))(c) })
		listeners = append(listeners, nginx.Listener{Network: "tcp", Address: l.Addr().String()})
	}
	learned := Learner{}.Learn(t.Context(), listeners)
	data, err := json.Marshal(learned)
	if err != nil {
		t.Fatal(err)
	}
	var d Differential
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(learned, &d, cmpopts.IgnoreUnexported(Answer{})); diff != "" {
		t.Error(diff)
	}
	if found := d.Check(t.Context()); len(found) != 0 {
		t.Errorf("unchanged: %s", texts(found))
	}
	status.Store(500)
	var want strings.Builder
	for _, l := range listeners {
		want.WriteString("http " + l.Address + ": 500 instead of 200\n")
	}
	if diff := cmp.Diff(want.String(), texts(d.Check(t.Context()))+"\n"); diff != "" {
		t.Error(diff)
	}
}
