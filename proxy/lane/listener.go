package lane

import (
	"context"
	"sync/atomic"
)

// Listener is an address that clients connect to. It outlives configurations, as the connections do: each makes a Site for it.
type Listener struct {
	site     atomic.Pointer[Site]
	draining atomic.Bool
	clients  clients
}

// NewListener returns a listener that serves by a site.
func NewListener(site *Site) *Listener {
	l := new(Listener)
	l.SetSite(site)
	return l
}

// SetSite replaces the site, for all connections' next requests.
func (l *Listener) SetSite(site *Site) {
	s := *site
	s.Times = s.Times.withDefaults()
	l.site.Store(&s)
}

// Drain ends the listener's connections: those without a request at once, the others with their response. It returns when there are none
// left, or ctx ends. Connections that come later are ended in the same way.
func (l *Listener) Drain(ctx context.Context) {
	l.draining.Store(true)
	l.clients.drain(ctx)
}
