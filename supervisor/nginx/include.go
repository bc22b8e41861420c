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
	for i := 0; i < len(found) && len(found) < maxIncluded; i++ {
		for _, pattern := range includes(root, found[i]) {
			for _, path := range expand(root, absolute(pattern, filepath.Dir(f.Config))) {
				if !slices.Contains(found, path) {
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
		for _, words := range directives(read(root, path)) {
			if words[0] != "server_name" {
				continue
			}
			for _, name := range words[1:] {
				if len(names) >= most {
					return names
				}
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

func includes(root *Root, path string) []string {
	var patterns []string
	for _, words := range directives(read(root, path)) {
		if len(words) == 2 && words[0] == "include" {
			patterns = append(patterns, words[1])
		}
	}
	return patterns
}

// read returns the text of a file, or "" when it cannot be read.
func read(root *Root, path string) string {
	file, err := root.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxConfig))
	if err != nil {
		return ""
	}
	return string(text)
}

// expand is glob(3) for the last component, which is where nginx's
// configurations have their wildcards.
func expand(root *Root, pattern string) []string {
	dir, name := filepath.Split(pattern)
	if !strings.ContainsAny(pattern, "*?[") {
		return []string{pattern}
	}
	var found []string
	_ = root.Directory(dir, func(host string) error {
		entries, err := os.ReadDir(host)
		for _, e := range entries {
			if ok, _ := filepath.Match(name, e.Name()); ok {
				found = append(found, filepath.Join(dir, e.Name()))
			}
		}
		return err
	})
	return found
}
