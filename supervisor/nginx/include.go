package nginx

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxIncluded bounds how many files of a configuration are read.
const maxIncluded = 10000

// Included returns the files of the configuration: the main one and what it
// includes, directly or not. Relative names are relative to the directory of
// the main file (ngx_conf_include). What cannot be read is left out.
func (f Files) Included(root *Root) []string {
	found := []string{f.Config}
	seen := map[string]bool{f.Config: true}
	for i := 0; i < len(found) && len(found) < maxIncluded; i++ {
		for _, pattern := range f.memo.read(root, found[i]).includes {
			for _, path := range expand(root, absolute(pattern, filepath.Dir(f.Config))) {
				if !seen[path] {
					seen[path] = true
					found = append(found, path)
				}
			}
		}
	}
	return found
}

// ServerNames returns up to most names of the configuration's server_name
// directives, in the order of the files. Patterns are among them.
func (f Files) ServerNames(root *Root, most int) []string {
	var names []string
	for _, path := range f.Included(root) {
		for _, name := range f.memo.read(root, path).serverNames {
			if len(names) >= most {
				return names
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// read returns the text of a file, or "" when it cannot be read.
func read(root *Root, path string) string {
	file, err := root.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	var text strings.Builder
	if info, err := file.Stat(); err == nil {
		text.Grow(int(min(info.Size(), maxConfig)))
	}
	if _, err := io.Copy(&text, io.LimitReader(file, maxConfig)); err != nil {
		return ""
	}
	return text.String()
}

// UnixListeners returns the paths of the configuration's `listen unix:`
// directives.
func (f Files) UnixListeners(root *Root) []string {
	var paths []string
	for _, file := range f.Included(root) {
		paths = append(paths, f.memo.read(root, file).unix...)
	}
	return paths
}

// ListensQUIC reports whether a listen directive of the configuration has the
// parameter quic.
func (f Files) ListensQUIC(root *Root) bool {
	return slices.ContainsFunc(f.Included(root), func(file string) bool { return f.memo.read(root, file).quic })
}

// expand is glob(3) inside the root, component by component.
func expand(root *Root, pattern string) []string {
	if !strings.ContainsAny(pattern, "*?[") {
		return []string{pattern}
	}
	found := []string{"/"}
	for _, part := range components(pattern) {
		var next []string
		for _, dir := range found {
			next = append(next, matching(root, dir, part)...)
		}
		found = next[:min(len(next), maxIncluded)]
	}
	return found
}

// matching returns the entries of a directory that match a pattern, or what it
// names where it is none.
func matching(root *Root, dir, pattern string) []string {
	if !strings.ContainsAny(pattern, "*?[") {
		return []string{filepath.Join(dir, pattern)}
	}
	var found []string
	_ = root.Directory(dir, func(host string) error {
		entries, err := os.ReadDir(host)
		for _, e := range entries {
			// As glob(3) does: a leading dot must be matched by one.
			hidden := strings.HasPrefix(e.Name(), ".") && !strings.HasPrefix(pattern, ".")
			if ok, _ := filepath.Match(pattern, e.Name()); ok && !hidden {
				found = append(found, filepath.Join(dir, e.Name()))
			}
		}
		return err
	})
	return found
}
