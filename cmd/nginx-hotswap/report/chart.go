package report

import (
	"strconv"
	"strings"
	"time"

	"github.com/nginx-hotswap/nginx-hotswap/supervisor"
)

// curve is a quantity over time.
type curve struct {
	class, name string
	points      []point
}

type point struct {
	at    time.Time
	value float64
	bad   bool // an answer that was not the right one
}

type legend struct{ Class, Name string }

// plot is what is drawn, before it is known how large.
type plot struct {
	id, title, description, unit string
	from, to                     time.Time
	curves                       []curve
	scale                        scale
	ticks                        []float64
	fill                         bool
	decimals                     int
}

// chart is a plot in the coordinates of a drawing.
type chart struct {
	ID, Name, Title, Desc, Unit string
	Width, Height               float64
	Left, Right, Top, Bottom    float64
	XLabels, YLabels            float64
	XTicks, YTicks              []tick
	Bounds                      []tick
	Lines                       []drawn
}

// drawn is a curve as the attributes of SVG have it.
type drawn struct {
	Class, Line, Area string
	Dots              []dot
}

type dot struct {
	X, Y  float64
	Bad   bool
	Label string
}

const (
	chartTop    = 46 // the unit and the names of phases are above
	chartBottom = 26
	// manyPoints is from when on dots would hide the line.
	manyPoints = 80
)

func (r Report) draw(p plot, f format) chart {
	c := chart{ID: p.id + "-" + f.name, Name: f.name, Title: p.title, Desc: p.description, Unit: p.unit, Width: f.width, Height: f.height,
		Left: f.left, Right: f.width - f.right, Top: chartTop, Bottom: f.height - chartBottom}
	c.XLabels, c.YLabels = c.Bottom+18, c.Left-7
	length := max(p.to.Sub(p.from), time.Millisecond)
	x := func(t time.Time) float64 {
		return c.Left + (c.Right-c.Left)*min(max(t.Sub(p.from).Seconds()/length.Seconds(), 0), 1)
	}
	y := func(v float64) float64 { return c.Bottom - (c.Bottom-c.Top)*p.scale.share(v) }
	began := p.from.Sub(r.Record.Started)
	c.XTicks = ticksOf(began, began+length, f, func(d time.Duration) float64 { return x(r.Record.Started.Add(d)) })
	for _, v := range p.ticks {
		c.YTicks = append(c.YTicks, tick{At: y(v), Label: number(v, p.decimals)})
	}
	c.Bounds = r.bounds(p, f, x)
	for _, curve := range p.curves {
		c.Lines = append(c.Lines, curve.draw(p, c, x, y))
	}
	return c
}

func (u curve) draw(p plot, c chart, x func(time.Time) float64, y func(float64) float64) drawn {
	d := drawn{Class: u.class}
	var line []string
	for _, at := range u.points {
		line = append(line, coordinates(x(at.at), y(at.value)))
		if at.bad || len(u.points) <= manyPoints && !p.fill {
			d.Dots = append(d.Dots, dot{x(at.at), y(at.value), at.bad, u.name + ": " + number(at.value, p.decimals+1) + " " + p.unit})
		}
	}
	d.Line = strings.Join(line, " ")
	if n := len(u.points); p.fill && n > 0 {
		d.Area = coordinates(x(u.points[0].at), c.Bottom) + " " + d.Line + " " + coordinates(x(u.points[n-1].at), c.Bottom)
	}
	return d
}

func coordinates(x, y float64) string {
	return strconv.FormatFloat(x, 'f', 1, 64) + "," + strconv.FormatFloat(y, 'f', 1, 64)
}

// bounds marks where phases begin. Those that follow at once have no room for
// their name; the bars above tell them apart.
func (r Report) bounds(p plot, f format, x func(time.Time) float64) (bounds []tick) {
	steps := r.Record.Steps
	for i, s := range steps {
		if s.Started.Before(p.from) || s.Started.After(p.to) {
			continue
		}
		b := tick{At: x(s.Started)}
		next := f.width - f.right
		if i+1 < len(steps) {
			next = min(next, x(steps[i+1].Started))
		}
		if name := (tick{Label: plain(string(s.Phase))}); next-b.At >= name.wide(f.letter)+8 {
			b.Label = name.Label
		}
		bounds = append(bounds, b)
	}
	return bounds
}

// connections draws how the work goes over from one generation to the other.
func (r Report) connections() section {
	s := section{ID: "connections", Heading: "Connections", Intro: "Of all workers of each generation, to clients and to upstream servers; an estimate from their descriptors.",
		Legend: []legend{{"old", "old " + from(r.Record)}, {"new", "successor " + to(r.Record)}}}
	if len(r.Samples) < 2 {
		s.Note, s.Legend, s.Intro = r.noSamples(), nil, ""
		return s
	}
	old, successor, highest := curve{class: "old", name: "old"}, curve{class: "new", name: "successor"}, 0
	for _, sample := range r.Samples {
		highest = max(highest, sample.OldConnections, sample.SuccessorConnections)
		old.points = append(old.points, point{at: sample.At, value: float64(sample.OldConnections)})
		successor.points = append(successor.points, point{at: sample.At, value: float64(sample.SuccessorConnections)})
	}
	p := plot{id: s.ID, title: "Connections over time", unit: "connections", from: r.Samples[0].At, to: r.end(), curves: []curve{old, successor}, fill: true}
	p.description = "Two curves: the old master's workers had " + r.firstAndLast(func(s supervisor.Sample) int { return s.OldConnections }) +
		", the successor's " + r.firstAndLast(func(s supervisor.Sample) int { return s.SuccessorConnections }) + "."
	p.scale, p.ticks = linear(float64(highest), 1)
	s.Drawings = []chart{r.draw(p, wide), r.draw(p, narrow)}
	return s
}

func (r Report) firstAndLast(of func(supervisor.Sample) int) string {
	most := 0
	for _, s := range r.Samples {
		most = max(most, of(s))
	}
	n := len(r.Samples)
	return strconv.Itoa(of(r.Samples[0])) + " at first, " + strconv.Itoa(most) + " at the most and " + strconv.Itoa(of(r.Samples[n-1])) + " in the end"
}

func (r Report) noSamples() string {
	if r.SamplesNote != "" {
		return plain(r.SamplesNote)
	}
	if r.Record.Origin == supervisor.OriginForeign {
		return "No samples are taken of an upgrade that somebody else has begun."
	}
	return "There are no samples of this cycle: it ended before there were two generations, or too soon."
}
