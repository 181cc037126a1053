//go:build !linux

package network

// tuneProbes leaves the system's times: no engine accepts by system calls of its own here.
func tuneProbes(int, int, int, int) error { return nil }
