package main

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// floor is memory that is reserved and never touched, so that it costs address space only. A proxy holds little and allocates much:
// without it the garbage collector, which runs when the heap has doubled, would run a dozen times a second. The heap may become that
// much larger, until giveBack sees that the process rests.
const floor = 32 << 20

// giveBack returns what was allocated and is not used any more to the system whenever the process has come to rest: after 1,000 TLS
// handshakes that is three times what the connections hold, and the collector would leave it until it is needed.
func giveBack() {
	allocated := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	var r rest
	for now := range time.Tick(time.Second) {
		metrics.Read(allocated)
		if r.due(allocated[0].Value.Uint64(), now) {
			debug.FreeOSMemory()
		}
	}
}

// rest tells when a process rests, from what it has allocated so far.
type rest struct {
	last, freed uint64 // allocated when it was asked last, and when it said yes last
	at          time.Time
}

const (
	calm  = 256 << 10       // what a process at rest allocates between two questions, at most, in bytes
	worth = 8 << 20         // what it must have allocated to make a collection worth its while, in bytes
	apart = 5 * time.Second // between two collections
)

// due reports whether it is time to give memory back.
func (r *rest) due(allocated uint64, now time.Time) bool {
	resting := allocated-r.last < calm
	r.last = allocated
	if !resting || allocated-r.freed < worth || now.Sub(r.at) < apart {
		return false
	}
	r.freed, r.at = allocated, now
	return true
}
