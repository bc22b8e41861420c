package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
)

// part is one measurement of the benchmark.
type part struct {
	name string
	run  func(ctx context.Context, b *bench) (*section, error)
}

// parts are all, in the order in which they are made.
var parts = []part{
	{"clients", measureClients}, {"bad", measureBad}, {"rollback", measureRollback}, {"cycle", measureCycle},
	{"drain", measureDrain}, {"idle", measureIdle}, {"keepalive", measureKeepAlive},
}

// section is what a part found.
type section struct {
	title  string
	text   string // how it was measured, in Markdown
	tables []captioned
	goals  []goal
	raw    any // the figures of each run
	// lost says what nginx-hotswap has lost although it promises not to.
	lost error
}

// captioned is a table with what goes before it.
type captioned struct {
	caption string
	table   table
}

// goal is what a figure must not exceed.
type goal struct {
	what     string
	measured float64 // NaN where there was nothing to measure
	limit    float64
	unit     string // behind the figures, with its space
}

// ratio is a goal for how often one figure is of another.
func ratio(what string, measured, of, limit float64) goal {
	return goal{what, measured / of, limit, " times"}
}

func (g goal) reached() bool { return g.measured <= g.limit }

// String is the line of the verdict.
func (g goal) String() string {
	verdict := "missed"
	switch {
	case math.IsNaN(g.measured) || math.IsInf(g.measured, 0):
		return fmt.Sprintf("**not measured**: %s (at most %s%s)", g.what, exact(g.limit), g.unit)
	case g.reached():
		verdict = "reached"
	}
	return fmt.Sprintf("**%s**: %s: %s%s (at most %s%s)", verdict, g.what, exact(g.measured), g.unit, exact(g.limit), g.unit)
}

// precise has three digits that count, and all of those before the point.
func precise(v float64) string {
	if math.Abs(v) >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// exact does not round what is just above a limit down to it.
func exact(v float64) string { return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64) }
