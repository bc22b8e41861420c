//go:build !matrix

package box

// matrix: only use the roots that are there.
const matrix = false
