package nginx

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hexWords writes an address as the kernel of this machine does.
func hexWords(t *testing.T, bigEndian string) string {
	t.Helper()
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return bigEndian
	}
	var b strings.Builder
	for i := 0; i < len(bigEndian); i += 8 {
		for j := 6; j >= 0; j -= 2 {
			b.WriteString(bigEndian[i+j : i+j+2])
		}
	}
	return b.String()
}

func TestParseHexAddress(t *testing.T) {
	for text, want := range map[string]string{
		"7F000001:0050":                         "127.0.0.1:80",
		"00000000:FFFF":                         "0.0.0.0:65535",
		"00000000000000000000000000000000:01BB": "[::]:443",
		"00000000000000000000000000000001:1F90": "[::1]:8080",
		"20010DB8000000000000000000000123:0001": "[2001:db8::123]:1",
		"00000000000000000000FFFF7F000001:0050": "[::ffff:127.0.0.1]:80",
	} {
		host, port, _ := strings.Cut(text, ":")
		got, err := parseHexAddress(hexWords(t, host) + ":" + port)
		if err != nil || got.String() != want {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", ":", "0100007F", "0100007F:", ":0050", "0100007:0050", "0100007F00:0050", "0100007G:0050",
		"0100007F:10000", "0100007F:-1", "0100007F:00:50", "127.0.0.1:80", strings.Repeat("00", 20) + ":0050", "\xff\xff:\xff"} {
		if got, err := parseHexAddress(text); err == nil {
			t.Errorf("%q: taken for %v", text, got)
		}
	}
}

func TestParseTable(t *testing.T) {
	loopback := hexWords(t, "7F000001")
	const heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	line := func(local, state, inode string) string {
		return "   0: " + local + " 00000000:0000 " + state + " 00000000:00000000 00:00000000 00000000     0        0 " + inode + " 1 0000000000000000 100 0 0 10 0\n"
	}
	tcp := heading +
		line(loopback+":0050", "0A", "100") +
		line(loopback+":0050", "01", "101") + // a connection
		line(loopback+":0050", "06", "0") +
		line(loopback+":1F90", "0A", "18446744073709551615") +
		line("nonsense", "0A", "102") +
		line(loopback+":0051", "0A", "many") +
		"   1: " + loopback + ":0050 00000000:0000 0A\n" +
		"\n\x00\xff\n"
	unixTable := "Num       RefCount Protocol Flags    Type St Inode Path\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/nginx.sock\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01    46 /run/two  spaces .sock\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 12347 @abstract\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 12348\n" + // no name
		"0000000000000000: 00000003 00000000 00000000 0001 03 12349 /run/nginx.sock\n" + // connected
		"0000000000000000: 00000002 00000000 00010000 0005 01 12350 /run/seqpacket\n" +
		"0000000000000000: 00000002 00000000 00000000 0002 01 12351 /run/datagram\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 x2352 /run/bad\n" +
		" \n"
	tests := map[string]struct {
		table string
		parse func(string) (Listener, bool)
		want  []Listener
	}{
		"net/tcp": {tcp, netTables[0].parse, []Listener{{100, "tcp", "127.0.0.1:80"}, {1<<64 - 1, "tcp", "127.0.0.1:8080"}}},
		"net/udp": {heading + line(loopback+":0035", "07", "7") + line(loopback+":0035", "01", "8"), netTables[2].parse,
			[]Listener{{7, "udp", "127.0.0.1:53"}}},
		"net/unix":     {unixTable, parseUnix, []Listener{{12345, "unix", "/run/nginx.sock"}, {46, "unix", "/run/two  spaces .sock"}, {12347, "unix", "@abstract"}}},
		"only heading": {heading, netTables[0].parse, nil},
		"empty":        {"", parseUnix, nil},
	}
	for name, test := range tests {
		got, err := parseTable(strings.NewReader(test.table), test.parse)
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	if _, err := parseTable(strings.NewReader(heading+strings.Repeat("x", 1<<20)), parseUnix); err == nil {
		t.Error("an endless line went unnoticed")
	}
}

func TestMissing(t *testing.T) {
	a, b, c := Listener{1, "tcp", "0.0.0.0:80"}, Listener{2, "tcp", "0.0.0.0:80"}, Listener{3, "unix", "/run/x"}
	renamed := Listener{3, "unix", "/run/y"}
	tests := []struct{ from, in, want []Listener }{
		{nil, nil, nil},
		{nil, []Listener{a}, nil},
		{[]Listener{a, b}, []Listener{b, a, c}, nil},
		{[]Listener{a, b, c}, []Listener{a}, []Listener{b, c}}, // reuseport: the same address is another socket
		{[]Listener{c}, []Listener{renamed}, nil},              // and the socket counts, not its name
		{[]Listener{a, c}, nil, []Listener{a, c}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, Missing(test.from, test.in)); diff != "" {
			t.Errorf("%v in %v: %s", test.from, test.in, diff)
		}
	}
}
