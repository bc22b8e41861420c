package nginx

import "slices"

// Directive is one of a configuration that ends with a semicolon.
type Directive struct {
	File  string   // where it stands, or "" for one of -g
	Words []string // its name and its arguments
}

// Lookup returns the directives with the given names, those of -g first, then in
// the order of the files.
func (f Files) Lookup(root *Root, names ...string) []Directive {
	found := among(nil, "", f.global, names)
	for _, path := range f.Included(root) {
		found = among(found, path, read(root, path), names)
	}
	return found
}

func among(found []Directive, file, source string, names []string) []Directive {
	for _, words := range directives(source) {
		if slices.Contains(names, words[0]) {
			found = append(found, Directive{file, words})
		}
	}
	return found
}

// Full is the path that a name in the configuration means (ngx_conf_full_name).
func (f Files) Full(name string) string { return behind(f.prefix, name) }
