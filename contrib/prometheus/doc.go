// Package prometheus has alert rules for Prometheus, and tests of them.
package prometheus
