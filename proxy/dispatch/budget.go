package dispatch

import (
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

// The retry budget of a pool is kept in hundredths of a retry: every request earns RetryBudget of them, a retry costs a hundred.
// Below zero lies a floor of ten retries, which time gives back at one a second: without it a pool of few requests could never
// repeat one.
const (
	retryCost    = 100
	budgetFloor  = 10 * retryCost
	budgetMost   = 100 * retryCost
	floorPerTick = 1 * retryCost
	budgetTick   = time.Second
)

// earn pays for one request. A pool that has had no use for its budget costs one atomic load.
func (j *Job) earn() {
	meter := j.Pool.Meter
	if j.Pool.Spec.RetryBudget > 0 && meter.Budget.Load() < budgetMost {
		meter.Budget.Add(int64(j.Pool.Spec.RetryBudget))
	}
}

// spend takes one retry out of the budget, if there is one.
func (j *Job) spend() bool {
	meter := j.Pool.Meter
	if j.Pool.Spec.RetryBudget == 0 {
		return false
	}
	refill(meter, time.Now().UnixNano())
	if meter.Budget.Add(-retryCost) < -budgetFloor {
		meter.Budget.Add(retryCost)
		return false
	}
	meter.Retries.Add(1)
	return true
}

// unspend gives a retry back for which there was no member.
func (j *Job) unspend() {
	j.Pool.Meter.Budget.Add(retryCost)
	j.Pool.Meter.Retries.Add(^uint64(0))
}

// refill gives the floor back what time has earned it, in whole ticks.
func refill(meter *pool.PoolMeter, now int64) {
	last := meter.BudgetAt.Load()
	ticks := (now - last) / int64(budgetTick)
	if ticks < 1 || !meter.BudgetAt.CompareAndSwap(last, now) {
		return
	}
	if have := meter.Budget.Load(); have < 0 {
		meter.Budget.Add(min(-have, min(ticks, budgetFloor/floorPerTick)*floorPerTick))
	}
}
