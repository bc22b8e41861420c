package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5/introspect"
	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/bus"
)

// The manual pages and the catalog are written by hand. These tests compare
// them with the program: what it has must be in them, and nothing else.

func TestManualCommands(t *testing.T) {
	root := newRoot()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("help")
	want := map[string][]string{"": flagsOf(root)}
	for _, cmd := range root.Commands() {
		// Those of cobra need no list of flags: there is --help alone.
		if !cmd.Hidden {
			want[cmd.Name()] = flagsOf(cmd)
		}
	}
	page := lines(t, "man/nginx-hotswap.8")
	got := map[string][]string{"": nil}
	command := ""
	for _, line := range slices.Concat(part(page, ".Sh OPTIONS"), part(page, ".Sh COMMANDS")) {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, ".It Ic "):
			command = words[2]
			got[command] = nil
		case strings.HasPrefix(line, ".It Fl "):
			got[command] = append(got[command], strings.TrimPrefix(words[2], "-"))
		}
	}
	for _, flags := range got {
		slices.Sort(flags)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("commands and flags, program (-) and manual page (+):\n%s", diff)
	}
}

var flagUsage = regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z-]+)`)

// flagsOf returns the names of a command's own flags in alphabetical order.
func flagsOf(cmd *cobra.Command) []string {
	cmd.InitDefaultVersionFlag()
	if !cmd.HasParent() {
		cmd.InitDefaultHelpFlag()
	}
	var names []string
	for _, match := range flagUsage.FindAllStringSubmatch(cmd.LocalFlags().FlagUsages(), -1) {
		if match[1] != "help" || !cmd.HasParent() {
			names = append(names, match[1])
		}
	}
	slices.Sort(names)
	return names
}

func TestManualExitStatus(t *testing.T) {
	var want []string
	for _, file := range parse(t, "../../supervisor") {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, name := range spec.Names {
				if strings.HasPrefix(name.Name, "Exit") && i < len(spec.Values) {
					want = append(want, spec.Values[i].(*ast.BasicLit).Value)
				}
			}
			return true
		})
	}
	slices.Sort(want)
	got := items(part(lines(t, "man/nginx-hotswap.8"), ".Sh EXIT STATUS"), "Er")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exit statuses, program (-) and manual page (+):\n%s", diff)
	}
}

// The results, and the origins that no flag can name.
func TestManualResults(t *testing.T) {
	var want []string
	for kind, values := range constants(t, "Result", "Origin") {
		for _, v := range values {
			if kind == "Result" || !slices.Contains(askers, supervisor.Origin(v)) {
				want = append(want, v)
			}
		}
	}
	got := items(part(lines(t, "man/nginx-hotswap.8"), ".Sh RESULTS"), "Cm")
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results and origins, program (-) and manual page (+):\n%s", diff)
	}
}

// constants returns the text constants of the policy that have these types.
func constants(t *testing.T, types ...string) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	for _, file := range parse(t, "../../supervisor") {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			kind, ok := spec.Type.(*ast.Ident)
			if !ok || !slices.Contains(types, kind.Name) {
				return true
			}
			for _, value := range spec.Values {
				if literal, ok := value.(*ast.BasicLit); ok {
					found[kind.Name] = append(found[kind.Name], strings.Trim(literal.Value, `"`))
				}
			}
			return true
		})
	}
	if len(found) != len(types) {
		t.Fatalf("of %q only %v were found", types, found)
	}
	return found
}

func TestManualConfiguration(t *testing.T) {
	want := make(map[string][]string)
	for _, file := range parse(t, "../../supervisor") {
		maps.Copy(want, keys(file))
	}
	if len(want) < 4 {
		t.Fatalf("the sections of the program were not found, only %v", want)
	}
	page := lines(t, "man/nginx-hotswap.conf.5")
	got := make(map[string][]string)
	for _, line := range page {
		if name, ok := strings.CutPrefix(line, ".Ss ["); ok {
			name = strings.TrimSuffix(name, "]")
			got[name] = items(part(page, line), "Ic")
			slices.Sort(got[name])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys, program (-) and manual page (+):\n%s", diff)
	}
}

// keys returns the keys of the sections that a file of the program defines: the
// composite literals of the type section, each under the name that the nearest
// if or case around it compares with.
func keys(file *ast.File) map[string][]string {
	found := make(map[string][]string)
	var around []ast.Node
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil {
			around = around[:len(around)-1]
			return true
		}
		around = append(around, n)
		literal, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if kind, ok := literal.Type.(*ast.Ident); !ok || kind.Name != "section" {
			return true
		}
		name := sectionName(around)
		for _, element := range literal.Elts {
			key := element.(*ast.KeyValueExpr).Key.(*ast.BasicLit)
			found[name] = append(found[name], strings.Trim(key.Value, `"`)+"=")
		}
		slices.Sort(found[name])
		return true
	})
	return found
}

func sectionName(around []ast.Node) string {
	for _, n := range slices.Backward(around) {
		var compared ast.Expr
		switch n := n.(type) {
		case *ast.CaseClause:
			compared = n.List[0]
		case *ast.IfStmt:
			if condition, ok := n.Cond.(*ast.BinaryExpr); ok {
				compared = condition.Y
			}
		}
		if literal, ok := compared.(*ast.BasicLit); ok {
			return strings.Trim(literal.Value, `"`)
		}
	}
	return ""
}

func TestManualBus(t *testing.T) {
	page := lines(t, "man/"+bus.Name+".5")
	for _, about := range bus.Interfaces() {
		var want, got []string
		for _, m := range about.Methods {
			want = append(want, ".It Ic "+m.Name+typesOf(m.Args, "in", " Li ")+typesOf(m.Args, "out", ` No \(-> Li `))
		}
		for _, s := range about.Signals {
			want = append(want, ".It Em "+s.Name+typesOf(s.Args, "", " Li "))
		}
		for _, p := range about.Properties {
			want = append(want, ".It Va "+p.Name+" Li "+p.Type)
		}
		for _, line := range part(page, ".Ss "+about.Name) {
			if strings.HasPrefix(line, ".It ") {
				got = append(got, line)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, program (-) and manual page (+):\n%s", about.Name, diff)
		}
	}
}

// typesOf are the types of the arguments in one direction, after a mark.
func typesOf(args []introspect.Arg, direction, mark string) string {
	var types strings.Builder
	for _, a := range args {
		if a.Direction == direction {
			types.WriteString(a.Type)
		}
	}
	if types.Len() == 0 {
		return ""
	}
	return mark + types.String()
}

var catalogID = regexp.MustCompile(`^-- ([0-9a-f]{32})$`)

func TestCatalog(t *testing.T) {
	var want, got []string
	for _, e := range supervisor.Events {
		want = append(want, e.ID)
	}
	text := lines(t, "nginx-hotswap.catalog")
	for i, line := range text {
		id := catalogID.FindStringSubmatch(line)
		if id == nil {
			continue
		}
		got = append(got, id[1])
		if i+1 == len(text) || !strings.HasPrefix(text[i+1], "Subject: ") {
			t.Errorf("the entry %s does not begin with its subject", id[1])
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("MESSAGE_IDs, program (-) and catalog (+):\n%s", diff)
	}
}

// lines reads a file of packaging.
func lines(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../packaging", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

// part returns the lines from a heading to the next one.
func part(page []string, heading string) []string {
	from := slices.Index(page, heading)
	if from < 0 {
		return nil
	}
	rest := page[from+1:]
	end := slices.IndexFunc(rest, func(line string) bool {
		return strings.HasPrefix(line, ".Sh ") || strings.HasPrefix(line, ".Ss ")
	})
	return rest[:max(end, 0)]
}

// items returns the tags of a list that have a macro of mdoc(7).
func items(page []string, macro string) []string {
	var found []string
	for _, line := range page {
		if rest, ok := strings.CutPrefix(line, ".It "+macro+" "); ok {
			found = append(found, strings.Fields(rest)[0])
		}
	}
	return found
}

// parse reads the program files of a package.
func parse(t *testing.T, dir string) []*ast.File {
	t.Helper()
	names, err := fs.Glob(os.DirFS(dir), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}
