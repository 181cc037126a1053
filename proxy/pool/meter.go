package pool

import (
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Meter counts what one instance does. It is shared by all pools the instance is in, and outlives snapshots.
type Meter struct {
	InFlight atomic.Int64  // requests or connections under way
	Requests atomic.Uint64 // ever sent to it
	Failures atomic.Uint64 // of those, the ones that passive checks count as failed
	ewma     atomic.Uint64 // float64 bits, nanoseconds
	stamp    atomic.Int64  // monotonic nanoseconds of the last observation
	_        [24]byte      // fills a cache line, so that members of one pool do not share one
}

// Acquire takes one place of the member, unless limit (0: none) is reached. Every true is paid back with Release.
func (m *Meter) Acquire(limit int64) bool {
	if !acquire(&m.InFlight, limit) {
		return false
	}
	m.Requests.Add(1)
	return true
}

// acquire counts one more, unless limit (0: none) is reached. The count never stands above the limit, not even for a moment: somebody
// who is turned away must be able to rely on a later Release.
func acquire(inFlight *atomic.Int64, limit int64) bool {
	if limit <= 0 {
		inFlight.Add(1)
		return true
	}
	for {
		n := inFlight.Load()
		if n >= limit {
			return false
		}
		if inFlight.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Release gives a place back.
func (m *Meter) Release() { m.InFlight.Add(-1) }

// decay is the time in which an old latency loses 63 % of its say.
const decay = 10 * time.Second

var processStart = time.Now()

// Clock returns the monotonic nanoseconds since the process began, as LatencyAt wants them.
func Clock() int64 { return int64(time.Since(processStart)) }

// Observe records a response time. A peak counts at once, better times only as the old ones decay (peak EWMA, as in Finagle).
func (m *Meter) Observe(latency time.Duration) {
	now := Clock()
	age := now - m.stamp.Swap(now)
	old := math.Float64frombits(m.ewma.Load())
	value := float64(latency)
	if value < old {
		keep := math.Exp(-float64(age) / float64(decay))
		value = old*keep + value*(1-keep)
	}
	m.ewma.Store(math.Float64bits(value))
}

// Latency returns the peak-EWMA response time, decayed towards zero while nothing is observed, so that a once slow member is
// tried again. Zero means never observed.
func (m *Meter) Latency() time.Duration { return m.LatencyAt(Clock()) }

// LatencyAt is Latency at a time that Clock has told: who compares several members reads the clock once.
func (m *Meter) LatencyAt(now int64) time.Duration {
	old := math.Float64frombits(m.ewma.Load())
	if old == 0 {
		return 0
	}
	return time.Duration(old * math.Exp(-float64(now-m.stamp.Load())/float64(decay)))
}

// PoolMeter counts what one pool does; it outlives snapshots too.
type PoolMeter struct {
	Turn     atomic.Uint64 // round robin's place in the schedule
	InFlight atomic.Int64
	Queued   atomic.Int64
	Requests atomic.Uint64
	Retries  atomic.Uint64
	// Budget is for the retry budget's owner (proxy/dispatch): retries left, in hundredths. BudgetAt is when time last paid into
	// it, in Unix nanoseconds.
	Budget, BudgetAt atomic.Int64
}

// Acquire takes one place of the pool, unless limit (0: none) is reached. Every true is paid back with Release.
func (m *PoolMeter) Acquire(limit int64) bool { return acquire(&m.InFlight, limit) }

// Release gives a place back.
func (m *PoolMeter) Release() { m.InFlight.Add(-1) }

// Meters is the registry of a process's meters. Safe for concurrent use.
type Meters struct {
	mu      sync.Mutex
	members map[string]*Meter
	pools   map[string]*PoolMeter
}

// NewMeters returns an empty registry.
func NewMeters() *Meters {
	return &Meters{members: map[string]*Meter{}, pools: map[string]*PoolMeter{}}
}

// Member returns the meter of an instance, a new one at first sight.
func (r *Meters) Member(id string) *Meter {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[id]
	if m == nil {
		m = new(Meter)
		r.members[id] = m
	}
	return m
}

// Pool returns the meter of a pool of a cluster, a new one at first sight.
func (r *Meters) Pool(cluster, name string) *PoolMeter {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := poolKey(cluster, name)
	p := r.pools[key]
	if p == nil {
		p = new(PoolMeter)
		r.pools[key] = p
	}
	return p
}

// Prune forgets the meters of instances and pools that s does not know and where nothing is under way, so that a registry does not
// grow with every instance there ever was. An instance that comes back later starts with a new meter.
func (r *Meters) Prune(s *Snapshot) {
	members, pools := map[string]bool{}, map[string]bool{}
	for _, c := range s.Clusters {
		for _, names := range []map[string]*Pool{c.Exact, c.Wildcard, c.Services} {
			for _, p := range names {
				pools[poolKey(p.Cluster, p.Name)] = true
				for _, m := range p.Members {
					members[m.ID()] = true
				}
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.members, func(id string, m *Meter) bool { return !members[id] && m.InFlight.Load() == 0 })
	maps.DeleteFunc(r.pools, func(key string, p *PoolMeter) bool {
		return !pools[key] && p.InFlight.Load() == 0 && p.Queued.Load() == 0
	})
}

func poolKey(cluster, name string) string { return cluster + "/" + name }
