package nginx

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
)

// mapsOf is /proc/PID/maps as the kernel writes it.
const mapsOf = `00400000-00401000 r-xp 00000000 fe:00 1211                               /srv/low.so
5618c4a00000-5618c4a2e000 r--p 00000000 fe:00 1311                       /usr/sbin/nginx
5618c4a2e000-5618c4b0d000 r-xp 0002e000 fe:00 1311                       /usr/sbin/nginx
5618c5e00000-5618c5e65000 rw-p 00000000 00:00 0                          [heap]
7f10a4000000-7f10a4021000 rwxp 00000000 00:00 0 
7f10a8e00000-7f10a8e28000 r--p 00000000 fe:00 2201                       /usr/lib/x86_64-linux-gnu/libc.so.6
7f10a8e28000-7f10a8fb0000 r-xp 00028000 fe:00 2201                       /usr/lib/x86_64-linux-gnu/libc.so.6
7f10a9000000-7f10a9010000 rw-s 00000000 00:01 77                         /dev/zero (deleted)
7f10a9010000-7f10a9020000 rwxs 00000000 00:01 78                         /dev/zero (deleted)
7f10a9100000-7f10a9130000 r-xp 00003000 103:02 4294967299                /usr/lib/nginx/modules/ngx_stream_module.so (deleted)
7f10a9200000-7f10a9230000 r-xp 00000000 fe:00 3301                       /opt/my modules/a b.so
7f10a9230000-7f10a9240000 r-xp 00001000 fe:00 3301                       /opt/my modules/a b.so
7f10a9300000-7f10a9301000 r-xp 00000000 fe:00 3401                       /srv/odd (deleted).so
7ffd13be0000-7ffd13c01000 rw-p 00000000 00:00 0                          [stack]
7ffd13d11000-7ffd13d13000 r-xp 00000000 00:00 0                          [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
`

func TestParseMaps(t *testing.T) {
	file := func(path, address string, major, minor uint32, inode uint64) Mapped {
		return Mapped{Path: path, source: "/proc/7/map_files/" + address, direct: "/proc/7/root" + path,
			device: unix.Mkdev(major, minor), inode: inode}
	}
	module := file("/usr/lib/nginx/modules/ngx_stream_module.so", "7f10a9100000-7f10a9130000", 0x103, 2, 4294967299)
	module.Deleted = true
	want := []Mapped{
		file("/srv/low.so", "400000-401000", 0xfe, 0, 1211),
		file("/usr/lib/x86_64-linux-gnu/libc.so.6", "7f10a8e28000-7f10a8fb0000", 0xfe, 0, 2201),
		module,
		file("/opt/my modules/a b.so", "7f10a9200000-7f10a9230000", 0xfe, 0, 3301),
		file("/srv/odd (deleted).so", "7f10a9300000-7f10a9301000", 0xfe, 0, 3401),
	}
	got := parseMaps([]byte(mapsOf), 7, "/usr/sbin/nginx")
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Mapped{})); diff != "" {
		t.Error(diff)
	}
	// The binary is left out by its name, whether it was replaced or not.
	replaced := strings.ReplaceAll(mapsOf, "/usr/sbin/nginx\n", "/usr/sbin/nginx (deleted)\n")
	if diff := cmp.Diff(want, parseMaps([]byte(replaced), 7, "/usr/sbin/nginx"), cmp.AllowUnexported(Mapped{})); diff != "" {
		t.Errorf("replaced: %s", diff)
	}
}

func TestParseMapsPassesOver(t *testing.T) {
	for _, line := range []string{
		"", "\n", "nonsense", "1-2 r-xp", "1-2 r-xp 0 fe:00 7", "1-2 r-xp 0 fe:00 x /a", "1-2 r-xp 0 fe 7 /a", "1-2 rx 0 fe:00 7 /a", "/ r-xp 0 fe:00 7 /a", "1 r-xp 0 fe:00 7 /a",
		"1-2 r--p 0 fe:00 7 /a", "1-2 r-xp 0 00:00 0 [vdso]", "1-2 r-xp 0 00:00 0 anon_inode:x", "1-2 r-xp 0 fe:00 7 /dev/shm/a", "1-2 r-xp 0 fe:00 7 /exe",
	} {
		if got := parseMaps([]byte(line), 1, "/exe"); len(got) > 0 {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

func TestModule(t *testing.T) {
	for path, want := range map[string]bool{
		"/usr/lib/nginx/modules/ngx_stream_module.so": true,
		"/etc/nginx/modules/x.so":                     true,
		"/usr/lib/x86_64-linux-gnu/libc.so.6":         false,
		"/usr/lib/nginx/modules/README":               false,
		"/opt/modules.so":                             false,
	} {
		if got := (Mapped{Path: path}).Module(); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func FuzzParseMaps(f *testing.F) {
	for line := range strings.Lines(mapsOf) {
		f.Add([]byte(line))
	}
	f.Add([]byte(mapsOf))
	f.Add([]byte("/ 00x  0:0 0 /")) // not an address
	f.Add([]byte("1-2 --x 0 0:0 1 / (deleted)"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const exe = "/usr/sbin/nginx"
		found := parseMaps(data, 1, exe)
		paths := make(map[string]bool)
		for _, m := range found {
			if !strings.HasPrefix(m.Path, "/") || m.Path == exe || strings.HasPrefix(m.Path, "/dev/") || paths[m.Path] {
				t.Errorf("%q: %+v", data, m)
			}
			if strings.Contains(m.source, "..") || strings.Count(m.source, "/") != 4 {
				t.Errorf("%q: read from %s", data, m.source)
			}
			paths[m.Path] = true
		}
		// What else is mapped changes nothing.
		more := append([]byte("0-1 rw-p 00000000 00:00 0 [heap]\n"), data...)
		if diff := cmp.Diff(found, parseMaps(more, 1, exe), cmp.AllowUnexported(Mapped{}), cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}
