package report

import (
	"encoding/json"
	"fmt"
	"html"
	"image"
	"image/color"
	"os"
	"slices"
	"strings"
	"testing"
)

// measured is what testdata/measure.js has written down.
type measured struct {
	Width, Content, Height int
	Texts                  []seenText
	Curves                 []seenCurve
}

type seenText struct {
	box
	Text, Class    string
	Size, Contrast float64
}

type seenCurve struct {
	box
	Section, Class string
	Color          []float64
}

type box struct{ X, Y, Width, Height float64 }

func (b box) pixels() image.Rectangle {
	return image.Rect(int(b.X), int(b.Y), int(b.X+b.Width)+1, int(b.Y+b.Height)+1)
}

// measure lets a script into a copy of the page, which the page itself forbids.
func measure(t *testing.T, b *browser, page string) (m measured) {
	t.Helper()
	script, err := os.ReadFile("testdata/measure.js")
	if err != nil {
		t.Fatal(err)
	}
	page = unprotected(t, page, "<script>"+string(script)+"</script>")
	_, rest, _ := strings.Cut(b.dump(t, page), `<pre id="measured">`)
	text, _, found := strings.Cut(rest, "</pre>")
	if !found {
		t.Fatal("the page was not measured")
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(text)), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

const policy = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`

// unprotected is the page with something more and without its policy.
func unprotected(t *testing.T, page, more string) string {
	t.Helper()
	without := strings.Replace(page, policy, "", 1)
	if without == page {
		t.Fatal("the page has no policy")
	}
	return strings.Replace(without, "</body>", more+"</body>", 1)
}

// TestPageInABrowser looks at the page as a person does: everything can be read,
// nothing sticks out, the curves are drawn, and nothing is loaded.
func TestPageInABrowser(t *testing.T) {
	for _, test := range []struct {
		name   string
		report Report
		scheme string
		width  int
	}{
		{"upgraded", upgraded(), "light", 1400}, {"upgraded", upgraded(), "dark", 360},
		{"rolled-back", rolledBack(), "dark", 1400}, {"rolled-back", rolledBack(), "light", 360},
		{"drained", drained(), "light", 861}, {"refused", refused(), "dark", 860}, {"many", many(), "dark", 360},
	} {
		t.Run(fmt.Sprintf("%s-%s-%d", test.name, test.scheme, test.width), func(t *testing.T) {
			t.Parallel()
			b := newBrowser(t, test.scheme, test.width)
			page := write(t, test.report)
			m := measure(t, b, page)
			picture := b.screenshot(t, page, m.Height, test.name)
			m.fits(t, test.width, picture)
			m.isLegible(t, picture)
			m.isApart(t)
			m.isDrawn(t, test.report, picture)
			bright := color.GrayModel.Convert(picture.At(1, m.Height-1)).(color.Gray).Y
			if dark := bright < 64; dark != (test.scheme == "dark") {
				t.Errorf("the page's brightness is %d", bright)
			}
			if asked := b.loaded(); len(asked) > 0 {
				t.Errorf("it was asked for %q", asked)
			}
		})
	}
}

func (m measured) fits(t *testing.T, width int, picture image.Image) {
	t.Helper()
	if m.Width != width || m.Content > width {
		t.Errorf("the window is %d wide, the content %d, to be %d", m.Width, m.Content, width)
	}
	if got := picture.Bounds().Size(); got.X != width || got.Y != m.Height {
		t.Fatalf("the picture has %v, the page %dx%d", got, width, m.Height)
	}
	for _, s := range m.Texts {
		if s.X < 0 || s.X+s.Width > float64(width) || s.Y < 0 || s.Y+s.Height > float64(m.Height) {
			t.Errorf("%q sticks out: %+v", s.Text, s.box)
		}
	}
}

// isLegible asks for the sizes and contrasts of WCAG 2, AA, and for ink where a
// text is.
func (m measured) isLegible(t *testing.T, picture image.Image) {
	t.Helper()
	if len(m.Texts) < 40 {
		t.Errorf("only %d texts", len(m.Texts))
	}
	for _, s := range m.Texts {
		if s.Size < 10 {
			t.Errorf("%q is %.1f pixels high", s.Text, s.Size)
		}
		// What stands on a bar has the bar behind it, not the card.
		if s.Contrast < 4.5 && !strings.Contains(s.Class, "full") {
			t.Errorf("%q has a contrast of %.1f", s.Text, s.Contrast)
		}
		if tones(picture, s.pixels()) < 3 { // paper, ink, and what is between them
			t.Errorf("%q is not to be seen at %v", s.Text, s.pixels())
		}
	}
}

// isApart makes sure that no text covers another.
func (m measured) isApart(t *testing.T) {
	t.Helper()
	for i, a := range m.Texts {
		for _, b := range m.Texts[:i] {
			if common := a.pixels().Inset(2).Intersect(b.pixels().Inset(2)); !common.Empty() {
				t.Errorf("%q covers %q at %v", a.Text, b.Text, common)
			}
		}
	}
}

// tones counts the colours in a part of a picture.
func tones(picture image.Image, part image.Rectangle) int {
	found := make(map[color.Color]bool)
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			found[picture.At(x, y)] = true
		}
	}
	return len(found)
}

// isDrawn looks for the colour of each curve along the whole way that it has.
func (m measured) isDrawn(t *testing.T, r Report, picture image.Image) {
	t.Helper()
	probes := len(r.probes())
	want := map[string]int{"connections": 2, "latencies": probes}
	if len(r.Samples) == 0 {
		want["connections"] = 0
	}
	got := map[string]int{"connections": 0, "latencies": 0}
	for _, c := range m.Curves {
		got[c.Section]++
		if probes > palette && c.Section == "latencies" {
			continue // they cover each other
		}
		part := c.pixels().Inset(-2)
		if share := coloured(picture, part, c.Color); share < 0.45 || part.Dx() < 60 { // a dashed line has gaps
			t.Errorf("the curve %s of %s is seen in %.0f%% of %v", c.Class, c.Section, 100*share, part)
		}
	}
	for section, n := range want {
		if got[section] != n {
			t.Errorf("%d curves of %s, not %d", got[section], section, n)
		}
	}
}

// coloured is the share of the columns in which there is a colour.
func coloured(picture image.Image, part image.Rectangle, want []float64) float64 {
	columns := 0
	for x := part.Min.X; x < part.Max.X; x++ {
		for y := part.Min.Y; y < part.Max.Y; y++ {
			if near(picture.At(x, y), want) {
				columns++
				break
			}
		}
	}
	return float64(columns) / float64(part.Dx())
}

// near allows for the edges of a line.
func near(c color.Color, want []float64) bool {
	r, g, b, _ := c.RGBA()
	return !slices.ContainsFunc([]float64{float64(r>>8) - want[0], float64(g>>8) - want[1], float64(b>>8) - want[2]}, func(d float64) bool {
		return d < -40 || d > 40
	})
}

// TestPageLoadsNothing makes sure that the proxy would have seen it, and that
// the page's policy holds even where the escaping would not.
func TestPageLoadsNothing(t *testing.T) {
	b := newBrowser(t, "light", 800)
	page := write(t, refused())
	const outside = `<img src="http://outside.test/picture.png"><script>document.title = "ran"</script>`
	guarded := strings.Replace(page, "</body>", outside+"</body>", 1)
	if text := b.dump(t, guarded); strings.Contains(text, "<title>ran</title>") || len(b.loaded()) > 0 {
		t.Errorf("in spite of the policy a script runs or %q is loaded", b.loaded())
	}
	text := b.dump(t, unprotected(t, page, outside))
	if got := b.loaded(); len(got) != 1 || !strings.Contains(got[0], "outside.test/picture.png") || !strings.Contains(text, "<title>ran</title>") {
		t.Errorf("without the policy the proxy sees %q", got)
	}
}
