package report

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
	"github.com/nginx-hotswap/nginx-hotswap/supervisor/nginx"
)

// hostile is what a log line, a version or a reason could hold.
const hostile = `</title></script><script>alert(1)</script><img src=x onerror=alert(1)>" onload="x" ' {{.}} ]]> &amp;` + "\x00\x1b[31m\u202e"

// TestHostileTexts puts it wherever a text comes from outside.
func TestHostileTexts(t *testing.T) {
	r := rolledBack()
	rec := r.Record
	rec.Reason, rec.Drift, rec.Replaced, rec.Instance, rec.Unit, rec.ID = hostile, hostile, []string{hostile}, hostile, hostile, hostile
	rec.Origin, rec.Result = hostile, hostile
	for _, g := range []*supervisor.Generation{&rec.Old, &rec.Successor} {
		g.Version, g.SHA256, g.Libraries, g.Listeners = hostile, hostile, hostile, []nginx.Listener{{Network: "unix", Address: hostile}}
	}
	for i := range rec.Steps {
		rec.Steps[i].Phase = hostile
	}
	for i := range r.Samples {
		for p := range r.Samples[i].Probes {
			r.Samples[i].Probes[p].Target = hostile
		}
	}
	r.Log = []LogLine{{began, hostile, hostile, 3}}
	r.Host, r.Program, r.LogNote = hostile, hostile, hostile
	page := write(t, r)
	if n := strings.Count(page, "alert(1)&lt;/script"); n < 20 {
		t.Errorf("the text is on the page %d times", n)
	}
	lower := strings.ToLower(page)
	for _, never := range []string{"<script", "<img", "javascript:", "\x00", "\x1b", "\u202e"} {
		if strings.Contains(lower, never) {
			t.Errorf("%q is on the page", never)
		}
	}
	for _, tag := range tags(t, page) {
		for _, a := range tag.Attr {
			if name := strings.ToLower(a.Name.Local); strings.HasPrefix(name, "on") || name == "src" || name == "href" || name == "style" {
				t.Errorf("<%s> has the attribute %s", tag.Name.Local, a.Name.Local)
			}
		}
	}
}

// tags are the elements of a page.
func tags(t *testing.T, page string) (found []xml.StartElement) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok {
			found = append(found, start.Copy())
		}
	}
}

// TestNothingIsMarkedAsSafe guards what the whole page relies upon.
func TestNothingIsMarkedAsSafe(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 5 {
		t.Fatalf("%v, %v", files, err)
	}
	safe := regexp.MustCompile(`template\.(HTML|CSS|JS|JSStr|URL|HTMLAttr|Srcset)\b|"text/template"`)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := safe.Find(source); found != nil && file != "report_test.go" {
			t.Errorf("%s has %s", file, found)
		}
	}
}

func TestPageIsSelfContained(t *testing.T) {
	page := write(t, upgraded())
	if !strings.Contains(page, policy) {
		t.Error("there is no policy")
	}
	for _, outside := range []string{"url(", "@import", "src=", "href=", "<link", "<script", "<iframe", "<object"} {
		if strings.Contains(page, outside) {
			t.Errorf("%s is on the page", outside)
		}
	}
	ids, named := make(map[string]bool), 0
	for _, tag := range tags(t, page) {
		for _, a := range tag.Attr {
			if a.Name.Local == "id" {
				if ids[a.Value] {
					t.Errorf("two elements have the id %s", a.Value)
				}
				ids[a.Value] = true
			}
		}
	}
	for _, tag := range tags(t, page) {
		if tag.Name.Local != "svg" {
			continue
		}
		for _, a := range tag.Attr {
			if a.Name.Local == "aria-labelledby" {
				for id := range strings.FieldsSeq(a.Value) {
					named++
					if !ids[id] {
						t.Errorf("a drawing is described by %s, which is not there", id)
					}
				}
			}
		}
	}
	if named != 3*2*2 {
		t.Errorf("the drawings have %d names and descriptions", named)
	}
}

// TestEveryResult makes a page of little.
func TestEveryResult(t *testing.T) {
	for _, result := range []supervisor.Result{supervisor.Upgraded, supervisor.Adopted, supervisor.Rejected, supervisor.RolledBack,
		supervisor.Deferred, supervisor.Stuck, supervisor.Overtaken, supervisor.Lost, ""} {
		rec := &supervisor.Record{Result: result, Started: began}
		page := write(t, Report{Record: rec, Made: began})
		v := verdictOf(rec)
		if !strings.Contains(page, v.Sentence) || v.Class == "" || !strings.Contains(page, "No phase was recorded") {
			t.Errorf("%q: %+v", result, v)
		}
		if unknown := strings.Contains(v.Sentence, "not known"); unknown != (result == "") {
			t.Errorf("%q: %s", result, v.Sentence)
		}
	}
}

// TestOddTimes draws what a clock that was set has left.
func TestOddTimes(t *testing.T) {
	for name, change := range map[string]func(*Report){
		"it ended before it began": func(r *Report) { *r.Record.Finished = began.Add(-time.Hour) },
		"all at once": func(r *Report) {
			for i := range r.Record.Steps {
				r.Record.Steps[i] = supervisor.StepRecord{Phase: supervisor.Soaking, Started: began}
			}
			for i := range r.Samples {
				r.Samples[i].At = began
				for p := range r.Samples[i].Probes {
					r.Samples[i].Probes[p].At = began
				}
			}
			*r.Record.Finished = began
		},
		"years":                 func(r *Report) { *r.Record.Finished = began.AddDate(30, 0, 0) },
		"it did not end":        func(r *Report) { r.Record.Finished = nil },
		"nothing was connected": func(r *Report) { r.Samples = []supervisor.Sample{{At: began}, {At: began.Add(time.Second)}} },
		"a probe took no time":  func(r *Report) { r.Samples[5].Probes[0].TookUS = 0 },
		"a probe went back in time": func(r *Report) {
			r.Samples[5].Probes[0].TookUS = -1e6
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := upgraded()
			change(&r)
			page := write(t, r)
			if bad := regexp.MustCompile(`NaN|Inf|="-\d{3,}`).FindString(page); bad != "" {
				t.Errorf("%s is on the page", bad)
			}
			if strings.Count(page, "<polyline") < 4 {
				t.Error("the curves are missing")
			}
		})
	}
}

// The last step of the way back touches the disk only for a build that is to blame,
// and of somebody else's upgrade nothing was measured.
func TestPageDoesNotClaimMore(t *testing.T) {
	r := rolledBack()
	for condemned, want := range map[bool]string{false: "what is on disk stays", true: "takes the place of the condemned one"} {
		r.Record.Condemned = condemned
		if page := write(t, r); !strings.Contains(page, want) {
			t.Errorf("condemned %v: the page lacks %q", condemned, want)
		}
	}
	r.Record.Origin, r.Samples = supervisor.OriginForeign, nil
	if page := write(t, r); strings.Contains(page, "too soon") || !strings.Contains(page, "No samples are taken of an upgrade that somebody else has begun.") {
		t.Error("the page gives another reason for having no samples")
	}
}
