package docker

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	api "github.com/docker/docker/api/types/container"

	"github.com/fairlead/fairlead/discovery"
)

// inventory is a follower's view of the engine as a whole.
type inventory struct {
	known map[string][]discovery.Instance // restored ones, by container, until the first list

	listing  bool // a request is under way
	listAt   time.Time
	listed   time.Time // when the last good list was here
	took     time.Duration
	failures int
	failed   error     // why the engine is unknown
	since    time.Time // it is
	swept    time.Time // when the last regular request began
	stream   error     // why no events come
	streams  bool      // they come
	noSubnet bool      // the networks cannot be listed, which has been said
}

// listing is the engine's answer to a request for everything.
type listing struct {
	sequence   uint64
	regular    bool // it is an interval's, not an event's
	node       string
	containers []api.Summary
	began      time.Time
	err        error
	bridges    []netip.Prefix
	bridgesErr error
}

// list asks for the containers, and for what else is needed to judge them.
func (f *follower) list(ctx context.Context, now time.Time) {
	f.sequence++
	f.listing, f.listAt = true, now.Add(f.config.Interval)
	l := listing{sequence: f.sequence, began: now, node: f.builder.node, bridges: f.builder.rule.bridges}
	if l.regular = !now.Before(f.swept.Add(f.config.Interval)); l.regular {
		f.swept = now
	}
	f.group.Go(func() error {
		if l.node == "" {
			l.node, l.err = f.engine.name(ctx)
		}
		if l.err == nil {
			l.containers, l.err = f.engine.containers(ctx)
		}
		if l.err == nil && l.regular {
			l.bridges, l.bridgesErr = f.engine.bridges(ctx)
		}
		return f.pass(ctx, l)
	})
}

// hintList has the list asked for soon, but not so often that an engine with many containers has nothing else to do.
func (f *follower) hintList(now time.Time) {
	at := now.Add(f.config.Settle)
	if pause := f.listed.Add(4 * f.took); pause.After(at) {
		at = pause
	}
	if at.Before(f.listAt) {
		f.listAt = at
	}
}

func (f *follower) takeList(l listing, now time.Time) {
	f.listing, f.dirty = false, true
	if l.err != nil {
		f.failures++
		if f.failed == nil {
			f.since = now
			f.log.Warn("docker: the engine is unknown, its facts stay", "error", l.err)
		}
		f.failed = l.err
		if l.regular {
			f.swept = time.Time{} // the next answer makes up for it
		}
		f.listAt = now.Add(backoff(f.config.BackoffMin, f.config.BackoffMax, f.failures))
		return
	}
	if f.failed != nil {
		f.log.Info("docker: the engine answers again", "after", now.Sub(f.since), "was", f.failed)
	}
	f.failures, f.failed = 0, nil
	f.listed, f.took = now, now.Sub(l.began)
	f.judgeBy(l)
	present := map[string]bool{}
	for _, s := range l.containers {
		present[s.ID] = true
		e := f.entries[s.ID]
		if e == nil {
			e = f.add(s.ID)
		}
		e.list(saying(s), l.sequence)
	}
	for id, e := range f.entries {
		if !present[id] && e.lately < l.sequence {
			delete(f.entries, id)
		}
	}
	f.inventory.known = nil
	if !f.complete && f.firstList.IsZero() {
		f.firstList = now
	}
	if l.regular {
		f.sweep(now)
	}
}

// judgeBy takes over the node's name and the bridge networks.
func (f *follower) judgeBy(l listing) {
	if l.bridgesErr != nil {
		if !f.noSubnet {
			f.log.Warn("docker: addresses in bridge networks cannot be told from others", "error", l.bridgesErr)
		}
		f.noSubnet = true
		l.bridges = f.builder.rule.bridges
	}
	if l.node == f.builder.node && slices.Equal(l.bridges, f.builder.rule.bridges) {
		return
	}
	f.builder.node, f.builder.rule.bridges = l.node, l.bridges
	// A network laid over the host's own would have everything refused at once, which is nobody's will.
	f.ruled = f.complete
	for _, e := range f.entries {
		e.stale = true
	}
}

// sweep has the containers with the oldest answers asked for anew: so many each Interval that every one had its turn in a Sweep.
func (f *follower) sweep(now time.Time) {
	all := slices.SortedFunc(maps.Values(f.entries), func(a, b *entry) int {
		return cmp.Or(a.asked.Compare(b.asked), cmp.Compare(a.id, b.id))
	})
	share := float64(len(all)) * float64(f.config.Interval) / float64(f.config.Sweep)
	for _, e := range all[:min(len(all), int(share)+1)] {
		if now.Sub(e.asked) >= f.config.Interval {
			e.hinted = true
		}
	}
}

// takeStream takes in that events come, or no longer come. What happened while they did not is seen in the list.
func (f *follower) takeStream(s streaming, now time.Time) {
	f.streams, f.stream, f.dirty = s.err == nil, s.err, true
	if s.err == nil {
		f.hintList(now)
		return
	}
	f.log.Debug("docker: no events", "error", s.err)
	f.hintList(now)
}

// saying is what the list says of a container, as far as it may change what the container is: the time it has been up may not.
func saying(s api.Summary) string {
	names, ports := slices.Sorted(slices.Values(s.Names)), make([]string, 0, len(s.Ports))
	for _, p := range s.Ports {
		ports = append(ports, fmt.Sprintf("%s %d %d %s", p.IP, p.PrivatePort, p.PublicPort, p.Type))
	}
	slices.Sort(ports)
	var networks []string
	if s.NetworkSettings != nil {
		for name, n := range s.NetworkSettings.Networks {
			if n != nil {
				networks = append(networks, name+" "+n.IPAddress+" "+n.GlobalIPv6Address)
			}
		}
	}
	slices.Sort(networks)
	// "Up 2 hours (unhealthy)" and "Up 2 hours (Paused)" say in brackets what counts.
	_, status, _ := strings.Cut(s.Status, "(")
	return strings.Join([]string{s.State, status, strings.Join(names, ","), strings.Join(ports, ","), strings.Join(networks, ",")}, "|")
}
