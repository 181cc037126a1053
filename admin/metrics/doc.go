// Package metrics shows an edge's snapshot and meters to Prometheus. Nothing is counted here: everything is read at the scrape, so that
// a request pays for no metric.
//
// Labels come from the configuration and from what is registered, never from requests: the number of series is bounded by the clusters,
// sources, pools, priority groups and instances there are.
package metrics
