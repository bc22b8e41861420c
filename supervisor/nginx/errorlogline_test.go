package nginx

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestParseLogLine(t *testing.T) {
	at := time.Date(2026, 11, 22, 16, 23, 5, 0, time.Local)
	tests := map[string]struct {
		line string
		want LogLine
	}{
		"alert": {"2026/11/22 16:23:05 [alert] 1234#1234: worker process 1240 exited on signal 11\n",
			LogLine{at, "alert", 1234, "worker process 1240 exited on signal 11"}},
		"thread 0": {"2026/11/22 16:23:05 [notice] 7#0: exit", LogLine{at, "notice", 7, "exit"}},
		"connection": {"2026/11/22 16:23:05 [error] 7#7: *12 open() \"/x: y\" failed\r\n",
			LogLine{at, "error", 7, "*12 open() \"/x: y\" failed"}},
		"emerg": {`2026/11/22 16:23:05 [emerg] 7#7: unknown directive "x" in /etc/nginx/nginx.conf:3`,
			LogLine{at, "emerg", 7, `unknown directive "x" in /etc/nginx/nginx.conf:3`}},
		"terminal": {`nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)`,
			LogLine{Level: "emerg", Text: "bind() to 0.0.0.0:80 failed (98: Address already in use)"}},
		"angie":           {"angie: [alert] x", LogLine{Level: "alert", Text: "x"}},
		"empty message":   {"2026/11/22 16:23:05 [notice] 7#7: ", LogLine{at, "notice", 7, ""}},
		"empty":           {"", LogLine{}},
		"only a time":     {"2026/11/22 16:23:05", LogLine{}},
		"only a space":    {"2026/11/22 16:23:05 ", LogLine{}},
		"no level":        {"2026/11/22 16:23:05 7#7: x", LogLine{}},
		"unknown level":   {"2026/11/22 16:23:05 [fatal] 7#7: x", LogLine{}},
		"no thread":       {"2026/11/22 16:23:05 [alert] 7: x", LogLine{}},
		"no pid":          {"2026/11/22 16:23:05 [alert] #7: x", LogLine{}},
		"pid too big":     {"2026/11/22 16:23:05 [alert] 4194305#7: x", LogLine{}},
		"negative":        {"2026/11/22 16:23:05 [alert] -7#7: x", LogLine{}},
		"no such day":     {"2026/13/45 16:23:05 [alert] 7#7: x", LogLine{}},
		"access log":      {`127.0.0.1 - - [22/Nov/2026:16:23:05 +0000] "GET / HTTP/1.1" 200 0 "-" "a: [emerg] b"`, LogLine{}},
		"a stack trace":   {"\tin function 'x': [C]: in ?", LogLine{}},
		"forged program":  {"GET /a: [emerg] x", LogLine{}},
		"another program": {"php-fpm[7]: [emerg] x", LogLine{}},
	}
	for name, test := range tests {
		got, ok := ParseLogLine(test.line)
		if !ok {
			got = LogLine{}
		}
		if diff := cmp.Diff(test.want, got); diff != "" || ok != (test.want.Level != "") {
			t.Errorf("%s: %v %s", name, ok, diff)
		}
	}
}

func TestLogChild(t *testing.T) {
	none := LogChild{}
	tests := map[string]LogChild{
		"worker process 1240 exited on signal 11":                                                     {"worker process", 1240, Exit{Known: true, Signal: unix.SIGSEGV}, false},
		"worker process 1240 exited on signal 6 (core dumped)":                                        {"worker process", 1240, Exit{Known: true, Signal: unix.SIGABRT}, false},
		"worker process 1240 exited with code 0":                                                      {"worker process", 1240, Exit{Known: true}, false},
		"worker process 1240 exited with fatal code 2 and cannot be respawned":                        {"worker process", 1240, Exit{Known: true, Code: 2}, true},
		"new binary process 7 exited with code 127":                                                   {"new binary process", 7, Exit{Known: true, Code: 127}, false},
		"new binary process 7 exited on signal 9":                                                     {"new binary process", 7, Exit{Known: true, Signal: unix.SIGKILL}, false},
		"cache manager process 7 exited with code 1":                                                  {"cache manager process", 7, Exit{Known: true, Code: 1}, false},
		"*1 worker process x exited on signal 11":                                                     none,
		"worker process 1240 exited on signal 0":                                                      none,
		"worker process 1240 exited on signal 11 and so on":                                           none,
		"worker process 1240 exited with fatal code 2":                                                none,
		"worker process 1240 exited with code 256":                                                    none,
		"worker process 1240 exited with code ":                                                       none,
		"worker process 0 exited on signal 11":                                                        none,
		"worker process -1 exited on signal 11":                                                       none,
		"worker process exited on signal 11":                                                          none,
		"1240 exited on signal 11":                                                                    none,
		"worker process 1240":                                                                         none,
		`FastCGI sent in stderr: "worker process 1240 exited on signal 11" and so on`:                 none,
		`execve() failed while executing new binary process "/usr/sbin/nginx" (8: Exec format error)`: none,
	}
	for text, want := range tests {
		got, ok := LogLine{Text: text}.Child()
		if !ok {
			got = none
		}
		if diff := cmp.Diff(want, got); diff != "" || ok != (want != none) {
			t.Errorf("%q: %v %s", text, ok, diff)
		}
	}
}

// What a line says of a connection is in the words of its client, too.
func TestLogLineOfConnection(t *testing.T) {
	for text, want := range map[string]struct{ explains, out bool }{
		`*5 connect() to unix:/run/app.sock failed (2: No such file or directory) while connecting to upstream, client: 192.0.2.1, request: "GET / HTTP/1.1"`: {false, false},
		`*5 open() "/var/www/12 worker_connections are not enough" failed`:                                                                                    {false, false},
		"*5 768 worker_connections are not enough while connecting to upstream":                                                                               {false, true},
		"768 worker_connections are not enough":                                                                                                               {false, true},
		"*":                                                                                                                                                   {true, false},
		"could not build the server_names_hash":                                                                                                               {true, false},
	} {
		l := LogLine{Level: "alert", Text: text}
		if l.Explains() != want.explains || l.OutOfConnections() != want.out {
			t.Errorf("%s: explains %v, out of connections %v", text, l.Explains(), l.OutOfConnections())
		}
	}
}

func TestLogLineExplains(t *testing.T) {
	for level := range logLevels {
		want := strings.Contains("emerg alert crit", level)
		if got := (LogLine{Level: level}).Explains(); got != want {
			t.Errorf("%s: %v", level, got)
		}
	}
}

func FuzzParseLogLine(f *testing.F) {
	f.Add("2026/11/22 16:23:05 [alert] 1234#1234: worker process 1240 exited on signal 11 (core dumped)\n")
	f.Add("2026/11/22 16:23:05 [alert] 1#0: worker process 2 exited with fatal code 2 and cannot be respawned")
	f.Add("2026/11/22 16:23:05 [notice] 1#1: new binary process 2 exited with code 127\r\n")
	f.Add("nginx: [emerg] x")
	f.Add("nginx: [emerg] worker process 2 exited on signal 11")
	f.Fuzz(func(t *testing.T, line string) {
		l, ok := ParseLogLine(line)
		if !ok {
			return
		}
		if !logLevels[l.Level] || l.PID < 0 || l.PID > maxPID || l.PID != 0 && l.Time.IsZero() {
			t.Errorf("%q gives %+v", line, l)
		}
		if !strings.HasSuffix(strings.TrimRight(line, "\r\n"), "] "+l.Text) && !strings.HasSuffix(strings.TrimRight(line, "\r\n"), ": "+l.Text) {
			t.Errorf("%q: text %q", line, l.Text)
		}
		if again, ok := ParseLogLine(line + "\n"); !ok || again != l {
			t.Errorf("a line break changes the result: %+v", again)
		}
		if c, ok := l.Child(); ok && (c.PID < 1 || c.PID > maxPID || !c.Exit.Known || !strings.Contains(l.Text, c.Process)) {
			t.Errorf("%q gives %+v", line, c)
		}
	})
}
