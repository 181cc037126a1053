package lane

import (
	"context"
	"net"
	"slices"
	"sync"

	"github.com/fairlead/fairlead/plugins/network"
	door "github.com/fairlead/fairlead/proxy/lane"
)

// groups are those of the process, by network and address.
var groups = struct {
	sync.Mutex
	open map[string]*group
}{open: map[string]*group{}}

// group is the lane of one address and the listeners of all configurations that stand before and behind it.
type group struct {
	key  string
	lane *door.Listener
	// drained is closed when there is no listener left and the lane's last connection has ended.
	drained chan struct{}

	mu        sync.Mutex
	changed   *sync.Cond  // of mu: something has come that an Accept may wait for
	listeners []*listener // oldest first
	newest    *listener   // of those whose configuration has started
	handed    []net.Conn  // what the newest is to accept
	stop      func()      // ends the loops' accepting, nil while they do not
}

// known reports whether an address has a lane.
func known(key string) bool {
	groups.Lock()
	defer groups.Unlock()
	return groups.open[key] != nil
}

// join adds a listener to the group of its address, which is made for the first one.
func join(key string, l *listener) {
	groups.Lock()
	g := groups.open[key]
	if g == nil {
		g = &group{key: key, lane: door.NewListener(&l.site), drained: make(chan struct{})}
		g.changed = sync.NewCond(&g.mu)
		groups.open[key] = g
	}
	l.group = g
	l.site.HandOver = g.handOver
	g.mu.Lock()
	g.listeners = append(g.listeners, l)
	g.mu.Unlock()
	groups.Unlock()
	g.look()
	l.of.Then(g.look)
}

// leave takes a listener out of its group. With the last one the group ends: its lane drains, and what waits to be accepted is closed.
func (g *group) leave(l *listener) {
	groups.Lock()
	defer groups.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listeners = slices.DeleteFunc(g.listeners, func(other *listener) bool { return other == l })
	if len(g.listeners) > 0 {
		g.chooseLocked()
		return
	}
	for _, c := range g.handed {
		c.Close()
	}
	g.newest, g.handed = nil, nil
	g.acceptByLoops(nil)
	delete(groups.open, g.key)
	go func() {
		g.lane.Drain(context.Background())
		close(g.drained)
	}()
}

// look finds out again which listener is the newest.
func (g *group) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.chooseLocked()
}

func (g *group) chooseLocked() {
	var newest *listener
	for _, l := range g.listeners {
		if newest == nil || !l.of.Waiting() {
			newest = l
		}
	}
	if newest != nil && newest != g.newest {
		g.newest = newest
		g.lane.SetSite(&newest.site)
		g.acceptByLoops(newest)
	}
	g.changed.Broadcast()
}

// handOver is the lane's way to give a connection to Caddy.
func (g *group) handOver(c net.Conn, unread []byte, gone func()) {
	if r, ok := c.(resumer); ok {
		c, unread = r.resume(unread)
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		c = g.own(tcp)
	}
	g.offer(newHanded(g, c, unread, gone))
}

// offer lets the newest listener accept c.
func (g *group) offer(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.newest == nil {
		closeUnserved(c)
		return
	}
	g.newest.count()
	g.handed = append(g.handed, c)
	g.changed.Broadcast()
}

// succeeded reports whether another listener is the newest in l's place.
func (g *group) succeeded(l *listener) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.newest != nil && g.newest != l
}

// generation is that which a listener opened now belongs to.
func generation() *network.Generation { return network.Loading() }
