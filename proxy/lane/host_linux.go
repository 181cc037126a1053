//go:build linux && (amd64 || arm64)

package lane

import (
	"maps"
	"slices"
	"time"

	"github.com/fairlead/fairlead/proxy/direct"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/pool"
)

// host is a loop's connection to a member.
type host struct {
	socket
	in      http1.Reader
	meter   *pool.Meter // which it is kept by: one per instance
	addr    string
	table   *pool.Table // by which it was last used
	reused  bool
	expires time.Time
}

// hosts are the kept connections of a loop, by the meter of their instance, the one used last at the end.
type hosts map[*pool.Meter][]*host

const (
	// hostsPerMember is the most that are kept of one member by one loop.
	hostsPerMember = 256
	// hostSweep is how often those are closed whose time is over or whose member has gone.
	hostSweep = time.Second
)

// take returns a kept connection to a member, nil if there is none.
func (h hosts) take(m *pool.Meter, to *egress.Target, now time.Time, sure bool) *host {
	list := h[m]
	for n := len(list); n > 0; n = len(list) {
		c := list[n-1]
		list[n-1] = nil
		list = list[:n-1]
		h[m] = list
		c.kept = nil
		if c.addr == to.Addr && c.expires.After(now) && !c.readable && (!sure || direct.Silent(uintptr(c.fd))) {
			return c
		}
		c.Close()
	}
	return nil
}

// keep takes a connection back.
func (h hosts) keep(c *host) {
	if c.readable && direct.Silent(uintptr(c.fd)) {
		c.readable = false // its last read ended with the response and not for want of more
	}
	list := h[c.meter]
	if len(list) >= hostsPerMember || c.readable || c.ended {
		c.Close()
		return
	}
	c.guest, c.kept, c.reused = nil, c, true
	h[c.meter] = append(list, c)
}

// lost closes a kept connection that its member has closed or says something on.
func (h hosts) lost(c *host) {
	if i := slices.Index(h[c.meter], c); i >= 0 {
		h[c.meter] = slices.Delete(h[c.meter], i, i+1)
	}
	c.kept = nil
	c.Close()
}

// sweep closes the connections whose time is over. Where there is a new snapshot since the last time, it also closes those whose member
// may take no traffic any more.
func (h hosts) sweep(l *loop) {
	leaving := h.leaving(l.swept)
	for m, list := range h {
		left := list[:0]
		for _, c := range list {
			if c.expires.After(l.clock) && !leaving[m] {
				left = append(left, c)
				continue
			}
			c.kept = nil
			c.Close()
		}
		clear(list[len(left):])
		if h[m] = left; len(left) == 0 {
			delete(h, m)
		}
	}
}

// leaving returns the members that have kept connections and may take no traffic, by those tables that have changed since they were
// last looked at. Each is looked through once, whatever the number of its members that are kept.
func (h hosts) leaving(seen map[*pool.Table]*pool.Snapshot) map[*pool.Meter]bool {
	changed := map[*pool.Table]map[*pool.Meter]bool{}
	for m, list := range h {
		for _, c := range list {
			if c.table.Load() == seen[c.table] {
				continue
			}
			if changed[c.table] == nil {
				changed[c.table] = map[*pool.Meter]bool{}
			}
			changed[c.table][m] = true
		}
	}
	all := map[*pool.Meter]bool{}
	for table, leaving := range changed {
		seen[table] = table.Load()
		for _, cluster := range seen[table].Clusters {
			for _, p := range cluster.Services {
				for _, m := range p.Members {
					if m.State == pool.Active || m.State == pool.Draining {
						delete(leaving, m.Meter)
					}
				}
			}
		}
		maps.Copy(all, leaving)
	}
	for table := range seen {
		if changed[table] == nil && !h.use(table) {
			delete(seen, table)
		}
	}
	return all
}

// use reports whether a connection was last used by a table.
func (h hosts) use(table *pool.Table) bool {
	for _, list := range h {
		for _, c := range list {
			if c.table == table {
				return true
			}
		}
	}
	return false
}

// closeAll closes all kept connections, and reports whether there were any.
func (h hosts) closeAll() (some bool) {
	for m, list := range h {
		for _, c := range list {
			c.kept = nil
			c.Close()
			some = true
		}
		delete(h, m)
	}
	return some
}

// Close implements conn.
func (c *host) Close() error {
	c.in.Release()
	return c.socket.Close()
}
