// Package discovery holds the facts Fairlead works on: which instances of which services are registered where, how a source
// tells of them, and how the facts of a cluster's sources become one catalog that knows when to doubt.
//
// Facts carry no policy. Priorities, limits, drains and health verdicts of our own belong to proxy/pool, which reads them.
package discovery
