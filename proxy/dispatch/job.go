package dispatch

import (
	"slices"

	"github.com/fairlead/fairlead/proxy/balance"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/proxy/route"
)

// Job is one request on its way through its pool: the decision about it, the places it holds and the members it has tried. It belongs to
// one goroutine at a time, but for Wait, which see. Begin starts it and End, which must follow on every way out, gives back what it
// holds; it may be used again then, and keeps its memory.
type Job struct {
	// Snapshot is what the decision was made from.
	Snapshot *pool.Snapshot
	Decision route.Decision
	// Pool is the decision's, and Member that of the present attempt; nil before there is one.
	Pool   *pool.Pool
	Member *pool.Member

	desk    *Desk
	request Request
	ask     route.Ask

	inPool *pool.Pool // the place in the pool; nil: none
	held   bool       // a place at Member
	tried  []*pool.Member
	// unmet tells that no member in tried has accepted a connection.
	unmet bool
}

// Begin decides about a request. The job keeps a and r until End.
func (j *Job) Begin(d *Desk, r Request, a route.Ask) {
	j.desk, j.request, j.ask = d, r, a
	j.decide(d.Table.Load())
}

func (j *Job) decide(s *pool.Snapshot) {
	j.Snapshot = s
	j.Decision = route.Decide(s, j.ask)
	j.Pool = j.Decision.Pool
	if j.Decision.Code == route.NoMember && j.bound() != nil {
		j.Decision.Code = route.OK // a client bound to a draining member, where nobody is active any more
	}
}

// Trusted reports whether the request's peer is a proxy whose forwarding headers count.
func (j *Job) Trusted() bool {
	for _, network := range j.Snapshot.Trusted {
		if network.Contains(j.ask.Peer) {
			return true
		}
	}
	return false
}

// End gives back the places the job holds.
func (j *Job) End() {
	j.leaveMember()
	j.leavePool()
	clear(j.tried)
	*j = Job{tried: j.tried[:0]}
}

// LeaveMember gives the place at the member back before the job ends: the rest of the request is no work for it.
func (j *Job) LeaveMember() { j.leaveMember() }

// Attempts returns the number of members tried, the present one included.
func (j *Job) Attempts() int {
	if j.Member == nil {
		return len(j.tried)
	}
	return len(j.tried) + 1
}

// take takes a place in the pool and one at a member, or none.
func (j *Job) take() bool {
	if !j.Pool.Meter.Acquire(int64(j.Pool.Spec.MaxConns)) {
		return false
	}
	j.inPool = j.Pool
	if m := j.bound(); m != nil && j.takeMember(m) {
		return true
	}
	key := j.hashKey()
	for {
		m := balance.Choose(j.Pool, key, j.tried)
		if m == nil {
			j.Pool.Meter.Release()
			j.inPool = nil
			return false
		}
		if j.takeMember(m) {
			return true
		}
	}
}

// takeMember takes a place at m; nil has none.
func (j *Job) takeMember(m *pool.Member) bool {
	if m == nil || !m.Meter.Acquire(m.Limit) {
		return false
	}
	j.Member, j.held = m, true
	return true
}

// leaveMember gives the place at the member back, and lets those who wait have it.
func (j *Job) leaveMember() {
	if j.held {
		j.held = false
		j.Member.Meter.Release()
		j.desk.Transport.Queue.Freed(j.Pool.Cluster, j.Pool.Service)
	}
}

func (j *Job) leavePool() {
	if j.inPool != nil {
		j.inPool.Meter.Release()
		j.desk.Transport.Queue.Freed(j.inPool.Cluster, j.inPool.Service)
		j.inPool = nil
	}
}

// full reports whether waiting can help after take has failed: the pool has a limit, or a member that could be chosen has one.
func (j *Job) full() bool {
	if j.Pool.Spec.MaxConns > 0 {
		return true
	}
	if len(j.Pool.Lineups) == 0 {
		return false
	}
	for _, m := range j.Pool.Lineups[len(j.Pool.Lineups)-1].Members {
		if m.Limit > 0 && !slices.Contains(j.tried, m) {
			return true
		}
	}
	return false
}
