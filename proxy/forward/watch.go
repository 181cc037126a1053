package forward

import (
	"context"
	"time"

	"github.com/fairlead/fairlead/proxy/egress"
)

// soon is how long a member may take before its client is watched: most answer at once, and the watch would cost each of their
// requests several allocations. A client that leaves meanwhile is noticed up to twice as much later.
const soon = 50 * time.Millisecond

// watch aborts c when the client leaves, from now until unwatch.
func (x *exchange) watch(c *egress.Conn) {
	if x.stopWatch == nil {
		x.stopWatch = context.AfterFunc(x.r.Context(), c.OnGone)
	}
}

// unwatch ends the watch. It reports false if the connection was, or is about to be, aborted.
func (x *exchange) unwatch() bool {
	stop := x.stopWatch
	x.stopWatch = nil
	return stop == nil || stop()
}
