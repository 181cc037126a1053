// Package consul finds instances in a Consul catalog, and keeps small documents in its key-value store.
//
// A Source follows the catalog by blocking queries under the rules of Consul's "Blocking queries" page: the first query has no
// index, an index that goes backwards restarts the watch, every wait has a hard deadline, failures back off with jitter, and
// answers are rate-limited per watch.
//
// # How changes are followed
//
// An agent refuses the 201st connection of a client (limits.http_max_conns_per_client), and thousands of blocking queries cost it
// hundreds of MiB. So the source keeps a bounded number of watches (Config.MaxWatches):
//
//   - Up to that many services, each has a blocking query of its own on /v1/health/service/NAME, and the list of names has one.
//   - Above it, watches are hints only: /v1/catalog/node-services/NODE for each node, /v1/catalog/nodes, and the critical and the
//     warning checks of /v1/health/state/. They name the services that changed, and each of those is read once.
//   - Nodes beyond the bound are asked in turn whenever the catalog's list of services changes.
//
// A slow sweep reads everything again, in case a hint was missed. The measurements behind this choice are in docs/consul-watch.md.
//
// # What is read, and what is not
//
// Instances are read with all their checks and those of their node, whatever their state: never with ?passing, so that a dead host
// shows as critical instead of missing. Connect proxies and gateways (Service.Kind) are no instances of anything to be served and
// are left out, and so is the service "consul", the servers themselves.
//
// # What is not believed
//
// Errors, answers without a leader, filtered by ACL or with a lower index leave the facts as they are and raise a source doubt.
// A present instance that vanishes is believed gone only if the index of its service rose, a consistent read agrees, and, if it
// was the last one, the list of names does too; until then a shrink doubt holds it. See judge and confirm.
package consul
