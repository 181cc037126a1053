// Package pool is the centre: it turns facts, policy, operators' orders and health verdicts into one immutable Snapshot, which
// every door, the nameserver, the admin API and the healer read through one Table.
//
// Build is pure. What changes with every request (in-flight counts, latency) is not in the snapshot but in Meters, which the
// snapshot's members point to and which outlive it.
package pool
