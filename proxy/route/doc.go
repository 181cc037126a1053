// Package route decides, for every door alike, which cluster and pool a client's question belongs to and whether the client may
// have it. Decide is pure: a snapshot and an Ask in, a Decision out. Nobody else looks a host up in a snapshot.
//
// The order of a decision is its security: the name is normalised, the longest matching prefix picks the cluster, the cluster's
// access list judges the client, and only then is the domain looked up, in that cluster alone. So a client outside the list
// gets the same answer for names that exist and names that do not, and no cluster ever falls back to another.
package route
