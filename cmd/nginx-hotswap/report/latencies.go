package report

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// palette is how many curves are told apart by their colour.
const palette = 6

// spread is how far apart latencies may be on a linear axis.
const spread = 50

// latencies draws how fast the successor answered.
func (r Report) latencies() section {
	s := section{ID: "latencies", Heading: "Probes", Intro: "How long the successor took to answer."}
	curves := r.probes()
	if len(curves) == 0 {
		s.Note, s.Intro = "No probe was answered while samples were taken.", ""
		if len(r.Samples) < 2 {
			s.Note = r.noSamples()
		}
		return s
	}
	p := plot{id: s.ID, title: "Latency of probes over time", unit: "ms", curves: curves, decimals: 3}
	lowest, highest, bad := math.Inf(1), 0.0, 0
	for _, c := range curves {
		s.Legend = append(s.Legend, legend{c.class, c.name})
		for _, at := range c.points {
			lowest, highest = min(lowest, at.value), max(highest, at.value)
			if at.bad {
				bad++
			}
		}
	}
	if bad > 0 {
		s.Legend = append(s.Legend, legend{"failed", "a bad answer, or none"})
	}
	p.description = fmt.Sprintf("%s of answers between %s and %s ms; %d were bad.", counted(len(curves), "curve"), number(lowest, 2), number(highest, 2), bad)
	if p.scale, p.ticks = linear(highest, 0.01); highest > spread*lowest {
		p.scale, p.ticks = decades(lowest, highest)
		s.Intro += " The axis is logarithmic."
	}
	p.from, p.to = window(curves)
	s.Drawings = []chart{r.draw(p, wide), r.draw(p, narrow)}
	return s
}

// probes are the curves, one for each question.
func (r Report) probes() (curves []curve) {
	for _, sample := range r.Samples {
		for _, p := range sample.Probes {
			i := slices.IndexFunc(curves, func(c curve) bool { return c.name == plain(p.Target) })
			if i < 0 {
				i = len(curves)
				curves = append(curves, curve{class: classOf(i), name: plain(p.Target)})
			}
			// A clock that answers in no time does not exist, and has no logarithm.
			ms := float64(max(p.TookUS, 1)) / 1000
			curves[i].points = append(curves[i].points, point{p.At, ms, !p.Good})
		}
	}
	return curves
}

// classOf gives colours, and dots where they are used up.
func classOf(i int) string {
	class := fmt.Sprintf("p%d", i%palette)
	if i >= palette {
		class += " more"
	}
	return class
}

// window is the time in which there were answers, with a little room: a drain
// of hours would squeeze it into one dot.
func window(curves []curve) (from, to time.Time) {
	for _, c := range curves {
		for _, at := range c.points {
			if from.IsZero() || at.at.Before(from) {
				from = at.at
			}
			if at.at.After(to) {
				to = at.at
			}
		}
	}
	room := max(to.Sub(from)/40, 50*time.Millisecond)
	return from.Add(-room), to.Add(room)
}
