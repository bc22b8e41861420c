package probe

import "context"

// Expectation is a question with the answer that came before.
type Expectation struct {
	Target Target `json:"target"`
	Want   Answer `json:"want"`
}

// Differential is what a server answered before it was upgraded. It can be
// written down; In is to be set again then.
type Differential struct {
	Expectations []Expectation `json:"expectations"`
	// LeftOut says, in sentences, what is not compared and why.
	LeftOut []string   `json:"left_out,omitempty"`
	In      *Namespace `json:"-"`
}

// Mismatch is an answer that is not the expected one.
type Mismatch struct {
	Target Target
	Want   Answer
	Got    Answer
}

// String is made for messages: "http 127.0.0.1:80: 500 instead of 200".
func (m Mismatch) String() string {
	return m.Target.String() + ": " + m.Got.Text + " instead of " + m.Want.Text
}

// Upstream reports whether the answer tells of the server behind nginx rather
// than of nginx: an outage there gives 502, 503 and 504.
func (m Mismatch) Upstream() bool {
	return m.Got.http() && m.Got.Status >= 502 && m.Got.Status <= 504
}

// Check asks everything once more and returns what is not as it was, in the
// order of the expectations. Questions that could not be put are left out.
func (d *Differential) Check(ctx context.Context) []Mismatch {
	ctx, cancel := context.WithTimeout(ctx, defaultLimit)
	defer cancel()
	answers := make([]Answer, len(d.Expectations))
	inParallel(parallel, d.Expectations, func(i int, e Expectation) {
		e.Target.In = d.In
		answers[i] = e.Target.Ask(ctx)
	})
	var found []Mismatch
	for i, e := range d.Expectations {
		if got := answers[i]; got.Asked() && !e.metBy(got) {
			found = append(found, Mismatch{e.Target, e.Want, got})
		}
	}
	return found
}

// metBy compares. Who failed before (5xx) may do better, or fail in another
// way. A certificate only counts against a server if it is another one than
// before: that it runs out in between is nobody's doing.
func (e Expectation) metBy(got Answer) bool {
	switch {
	case e.Want.http() && got.http():
		if got.Status != e.Want.Status && e.Want.Status < 500 {
			return false
		}
		return got.Outcome == Status || e.Want.Outcome == Certificate || got.Leaf == e.Want.Leaf
	case e.Want.closed() && got.closed():
		return (e.Want.Leaf == "") == (got.Leaf == "") // before the TLS handshake, or after
	}
	return e.Want.Outcome == got.Outcome
}
