package supervisor

// Line keeps the number of instances that run two generations at the same time
// within bounds: each doubles its instance's memory. It is shared by instances.
type Line chan struct{}

// NewLine has room for n at a time.
func NewLine(n int) Line { return make(Line, n) }
