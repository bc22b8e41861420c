package nginx

import (
	"bytes"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// What these read comes from processes and files that others control, and a
// root daemon must not fall over it.

func FuzzParseStat(f *testing.F) {
	f.Add([]byte(statLine("nginx", nil)))
	f.Add([]byte(statLine("a) S 1 (b\n", map[int]string{1: "1", 22: "18446744073709551615"})))
	f.Add([]byte("1 (x) S"))
	if own, err := os.ReadFile("/proc/self/stat"); err == nil {
		f.Add(own)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		s, err := ParseStat(line)
		if err != nil {
			return
		}
		if s.PID < 0 || s.PID >= maxPID || s.PPID < 0 || s.PPID > maxPID || s.Session < 0 || s.Session > maxPID {
			t.Errorf("pids out of range: %+v", s)
		}
		if again, err := ParseStat(append(slices.Clone(line), " 1 2 3\n"...)); err != nil || again != s {
			t.Errorf("further fields change the result: %+v, %v", again, err)
		}
	})
}

func FuzzParseSignals(f *testing.F) {
	f.Add([]byte(statusText))
	f.Add([]byte("SigPnd:1\nShdPnd: 2\nSigBlk:\t4"))
	if own, err := os.ReadFile("/proc/self/status"); err == nil {
		f.Add(own)
	}
	f.Fuzz(func(t *testing.T, status []byte) {
		s, err := ParseSignals(status)
		if err != nil {
			if s != (Signals{}) {
				t.Errorf("%+v with %v", s, err)
			}
			return
		}
		if again, err := ParseSignals(append([]byte("Name:\tx\n"), status...)); err != nil || again != s {
			t.Errorf("another line changes the result: %+v, %v", again, err)
		}
		for _, key := range []string{"SigPnd:", "ShdPnd:", "SigBlk:"} {
			if !bytes.Contains(status, []byte(key)) {
				t.Errorf("%+v without %s", s, key)
			}
		}
	})
}

func FuzzArgv(f *testing.F) {
	f.Add("/usr/sbin/nginx", "-g", "daemon on; pid x;", "nginx")
	f.Add("./my server", "-cfile", "", "angie")
	f.Add("", "-", "\xff -x", "nginx")
	f.Add("nginx: worker process", "-c", "a\x00b", "nginx: master process")
	f.Fuzz(func(t *testing.T, a, b, c, program string) {
		// Whatever the title, it must not be taken for something that no
		// nginx has written.
		title := ParseTitle([]byte(program + ": master process " + a + " " + b + " " + c + "\x00\x00"))
		if title.Role == RoleMaster && strings.ContainsAny(title.Rest, "\x00") {
			t.Errorf("a title with NULs: %+v", title)
		}
		argv := []string{a, "-" + b, c}
		if strings.Contains(strings.Join(argv, ""), "\x00") || strings.Contains(a, " -") {
			return // no argument holds a NUL; the other is ambiguous
		}
		title = ParseTitle([]byte("nginx: master process " + strings.Join(argv, " ") + "\x00\x00"))
		if title.Role != RoleMaster {
			t.Fatalf("got %+v", title)
		}
		got, err := SplitArgv(title.Rest, offsetsOf(argv))
		if err != nil || !slices.Equal(got, argv) {
			t.Errorf("%q: got %q, %v", argv, got, err)
		}
	})
}

func FuzzSplitArgv(f *testing.F) {
	f.Add("nginx -c x", 0, -1, 9)
	f.Add("nginx -c x", 0, 6, math.MaxInt)
	f.Add("", 0, -1, math.MinInt)
	f.Fuzz(func(t *testing.T, joined string, first, second, third int) {
		argv, err := SplitArgv(joined, []int{first, second, third})
		if err == nil && strings.Join(argv, " ") != joined {
			t.Errorf("%q became %q", joined, argv)
		}
	})
}

func FuzzParsePID(f *testing.F) {
	for _, s := range []string{"1\n", "4194303", "", "-1", "\n\n", "0x1", "99999999999999999999"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		pid, err := ParsePID(data)
		if err != nil {
			return
		}
		if pid < 1 || pid >= maxPID {
			t.Errorf("%q: pid %d", data, pid)
		}
		if digits := strings.TrimLeft(string(bytes.TrimSpace(data)), "0"); digits != strconv.Itoa(pid) {
			t.Errorf("%q: pid %d", data, pid)
		}
	})
}

func FuzzParseVersion(f *testing.F) {
	f.Add([]byte("nginx version: nginx/1.22.1 (Ubuntu)\nconfigure arguments: --with-cc-opt='-g -O2' --prefix=/usr\n"))
	f.Add([]byte("Tengine version: Tengine/3.1.0\nnginx version: nginx/1.24.0\n"))
	f.Add([]byte("Angie version: Angie/1.9.0\r\nconfigure arguments: 'x"))
	f.Fuzz(func(t *testing.T, out []byte) {
		v, err := ParseVersion(out)
		if err != nil {
			return
		}
		if v.Name == "" || strings.ContainsAny(v.Name, " \t\r\n/") {
			t.Errorf("name %q", v.Name)
		}
		if v.Number == "" || strings.Trim(v.Number, "0123456789.") != "" {
			t.Errorf("number %q", v.Number)
		}
		for _, arg := range v.Configure {
			if arg == "" {
				t.Error("an empty argument")
			}
		}
		_ = v.Setting("--prefix")
	})
}

func FuzzCheckELF(f *testing.F) {
	f.Add([]byte("#!/bin/sh\n"), int64(10))
	f.Add([]byte("\x7fELF"), int64(4))
	for _, class := range []string{"\x01\x01", "\x02\x01", "\x02\x02"} {
		f.Add([]byte("\x7fELF"+class+strings.Repeat("\x00\x01\xff\x03", 64)), int64(262))
	}
	if exe, err := os.Open("/proc/self/exe"); err == nil {
		head := make([]byte, 4096)
		n, _ := exe.Read(head)
		exe.Close()
		f.Add(head[:n], int64(n))
		f.Add(head[:n], int64(1<<20))
	}
	own, err := readHost()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte, size int64) {
		if size < 0 {
			return
		}
		if err := checkELF(bytes.NewReader(data), size, own); err == nil && len(data) < 64 && own.class == 2 {
			t.Errorf("%d bytes are a program", len(data))
		}
		// What is complete stays so when something is added, and what is for
		// this machine is for no other.
		whole := checkELF(bytes.NewReader(data), int64(len(data)), own)
		longer := checkELF(bytes.NewReader(append(slices.Clone(data), 0)), int64(len(data))+1, own)
		if whole == nil && longer != nil {
			t.Errorf("one byte more: %v", longer)
		}
		if other := (host{own.machine + 1, own.class, own.data}); whole == nil && checkELF(bytes.NewReader(data), int64(len(data)), other) == nil {
			t.Error("a program for two machines")
		}
	})
}

func FuzzFindPID(f *testing.F) {
	f.Add("user x;\npid /run/nginx.pid; # pid /run/b.pid;\nevents {}\n")
	f.Add(`pid "/run/a\" b.pid";`)
	f.Add("http{map $a $b{pid ${x};}}pid 'x';")
	f.Add("\\")
	f.Fuzz(func(t *testing.T, source string) {
		found := findPID(source)
		if found != "" && !strings.Contains(source, "pid") && !strings.Contains(source, `\`) {
			t.Errorf("%q in %q", found, source)
		}
		// A directive that comes first is the one.
		if got := findPID("pid /first;" + source); got != "/first" {
			t.Errorf("got %q", got)
		}
		// In a comment, nothing of it counts.
		if got := findPID("#" + strings.ReplaceAll(source, "\n", " ") + "\npid /second;"); got != "/second" {
			t.Errorf("got %q", got)
		}
	})
}

func FuzzNetTable(f *testing.F) {
	const rest = " 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 100 1 0000000000000000 100 0 0 10 0"
	f.Add("   0: 0100007F:0050" + rest)
	f.Add("   0: 00000000000000000000000001000000:0050" + rest)
	f.Add("0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/nginx.sock")
	f.Add("0000000000000000: 00000002 00000000 00010000 0001 01    45 @a  b")
	f.Fuzz(func(t *testing.T, line string) {
		for _, table := range netTables {
			l, ok := table.parse(line)
			if !ok {
				continue
			}
			if l.Network == "" || l.Address == "" {
				t.Errorf("%s: %q gives %+v", table.file, line, l)
			}
			if l.Network == "unix" && !strings.HasSuffix(line, l.Address) {
				t.Errorf("%q: path %q", line, l.Address)
			}
			if l.Network != "unix" && !utf8.ValidString(l.Address) {
				t.Errorf("%q: address %q", line, l.Address)
			}
		}
	})
}
