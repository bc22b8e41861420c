//go:build matrix

package box

// matrix: build the roots that are missing.
const matrix = true
