// Package grafana has a dashboard for Grafana, and tests of it.
//
// nginx-hotswap.json is imported under Dashboards, New, Import. It asks for the
// Prometheus that scrapes the metrics of contrib/prometheus and shows what serves,
// what waits, what has happened and how long it took, for all hosts or one.
package grafana
