package proxy

import (
	"sync/atomic"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/lane"
	"github.com/fairlead/fairlead/proxy/route"
)

// laneCounters count what the lane does in one life of the process. Safe for concurrent use.
type laneCounters struct {
	served, handedOver atomic.Uint64
	turned             refusals
}

// LaneCounts is what the lane has done in this life of the process.
type LaneCounts struct {
	// Served counts the requests it has served or refused itself, HandedOver the connections it has given to the server behind it.
	Served, HandedOver uint64
	// Turned counts what it has turned away before there was a request to serve, by the word for why: a lane.Turn.
	Turned map[string]uint64
}

// Desk returns what the requests of this configuration are dispatched by, for doors that are opened outside of this package.
func (e *Edge) Desk() *dispatch.Desk {
	return &dispatch.Desk{Table: e.table, Transport: e.shared.transport, Observer: e.shared.passive}
}

// LaneServed counts a request that the lane has served, or refused for the reason given.
func (e *Edge) LaneServed(refusal *dispatch.Refusal) {
	e.shared.lane.served.Add(1)
	if refusal != nil {
		e.shared.refusals.count(refusal.Word())
	}
}

// LaneHandedOver counts a connection that the lane has given to the server behind it.
func (e *Edge) LaneHandedOver() { e.shared.lane.handedOver.Add(1) }

// LaneTurned counts what the lane has turned away. Malformed requests are refusals like those that the guard finds.
func (e *Edge) LaneTurned(why lane.Turn) {
	e.shared.lane.turned.count(string(why))
	if why == lane.Malformed {
		e.RefusedUnread()
	}
}

// Lane returns the lane's counts. The caller owns the map.
func (e *Edge) Lane() LaneCounts {
	c := &e.shared.lane
	return LaneCounts{Served: c.served.Load(), HandedOver: c.handedOver.Load(), Turned: c.turned.copy()}
}

// ExplainLane lets Explain tell where the lane serves a host, by asking f. It is for use before others have the edge.
func (e *Edge) ExplainLane(f func(host string) []route.ExplainedLane) { e.lane = f }
