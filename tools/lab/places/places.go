// Package places looks at the places that requests hold in a pool.
package places

import (
	"fmt"

	"github.com/fairlead/fairlead/proxy/pool"
)

// Held says what a pool or one of its members still counts, and nothing if no request holds a place or waits for one. The pool may be nil.
func Held(p *pool.Pool) string {
	if p == nil {
		return ""
	}
	for _, m := range p.Members {
		if n := m.Meter.InFlight.Load(); n != 0 {
			return fmt.Sprintf("member %s has %d requests in flight", m.ID(), n)
		}
	}
	if n := p.Meter.InFlight.Load(); n != 0 {
		return fmt.Sprintf("the pool has %d requests in flight", n)
	}
	if n := p.Meter.Queued.Load(); n != 0 {
		return fmt.Sprintf("%d requests are queued", n)
	}
	return ""
}
