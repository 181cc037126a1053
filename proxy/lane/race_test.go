//go:build race

package lane_test

// racing tells that the race detector is on, under which pools forget what they are given.
const racing = true
