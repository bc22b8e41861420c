package supervisor

import (
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The package's documentation lists the phases twice: as a procedure and in the
// table of crashes. Both must be the tables that are carried out.
func TestDocumentedPhases(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	c := &cycle{cfg: Defaults().Upgrade}
	var rows []string
	for _, row := range append(c.table(), c.wayBack()...) {
		rows = append(rows, string(row.phase))
	}
	var listed []string
	for line := range strings.Lines(file.Doc.Text()) {
		if !strings.HasPrefix(line, "\t") {
			continue
		}
		if word, _, _ := strings.Cut(strings.TrimSpace(line), " "); word != "killed" {
			listed = append(listed, word)
		}
	}
	if diff := cmp.Diff(append(rows, rows...), listed); diff != "" {
		t.Error(diff)
	}
}
