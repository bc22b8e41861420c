package traffic

import (
	"math/bits"
	"time"
)

// histogram counts latencies in microseconds in buckets whose width grows with
// the value: exact below 32, then 32 buckets to each power of two. A quantile is
// the upper edge of its bucket: never below the true value and at most 1/32
// (3.2 %) above it. The size is fixed (about 9 KiB), whatever is counted.
type histogram struct {
	counts [1152]uint64 // up to 2^40 µs, twelve days; the last bucket takes the rest
	total  uint64
	max    uint64
}

const subBits = 5 // 32 buckets to a power of two

func bucket(v uint64) int {
	if v < 1<<subBits {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return (shift+1)<<subBits + int(v>>shift) - 1<<subBits
}

// upper returns the largest value in bucket i.
func upper(i int) uint64 {
	if i < 1<<subBits {
		return uint64(i)
	}
	shift := i>>subBits - 1
	return (uint64(i)&(1<<subBits-1)+1<<subBits+1)<<shift - 1
}

func (h *histogram) add(d time.Duration) {
	v := uint64(max(0, d.Microseconds()))
	h.counts[min(bucket(v), len(h.counts)-1)]++
	h.total++
	h.max = max(h.max, v)
}

// quantile returns the latency in microseconds that the share q of all samples
// does not exceed, 0 without samples.
func (h *histogram) quantile(q float64) int64 {
	rank := max(1, uint64(q*float64(h.total)+0.999999))
	var seen uint64
	for i, n := range h.counts[:len(h.counts)-1] {
		if seen += n; seen >= rank {
			return int64(min(upper(i), h.max))
		}
	}
	return int64(h.max)
}
