package dispatch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/route"
)

// Enter takes a place in the pool and at a member, without waiting. True says that the job has both. Otherwise there is either a refusal,
// or a place to wait for, which Wait does; the caller must call it then.
func (j *Job) Enter() (entered bool, refusal *Refusal) {
	spec, meter := j.Pool.Spec, j.Pool.Meter
	limited := spec.MaxConns > 0 || spec.MemberMaxConns > 0
	if (!limited || meter.Queued.Load() == 0) && j.take() {
		j.entered()
		return true, nil
	}
	if !j.full() {
		return false, j.nobody()
	}
	if meter.Queued.Add(1) > int64(spec.Queue) {
		meter.Queued.Add(-1)
		return false, j.busy(QueueFull, fmt.Sprintf("all places of %s are taken, and %d requests wait already", j.Pool.Name, spec.Queue))
	}
	return false, nil
}

// Wait waits for the places that Enter had none of, until they are there, the pool's QueueTimeout has passed or ctx ends. It decides
// again as new snapshots come, so that Snapshot, Decision and Pool may have changed when it returns. The job must not be used by others
// until then; goroutines that free a place use it meanwhile.
func (j *Job) Wait(ctx context.Context) *Refusal {
	waitedIn := j.Pool
	spec := waitedIn.Spec
	err := j.desk.Transport.Queue.Wait(ctx, waitedIn.Cluster, waitedIn.Service, spec.QueueTimeout, j.tryWaiting)
	waitedIn.Meter.Queued.Add(-1)
	switch {
	case errors.Is(err, egress.ErrQueueTimeout):
		return j.busy(QueueTimeout, fmt.Sprintf("all places of %s were taken for %s", waitedIn.Name, spec.QueueTimeout))
	case err != nil:
		return ClientLeft(err).Refusal()
	case j.Decision.Code != route.OK:
		return j.Undecided()
	case !j.held:
		return j.nobody()
	}
	j.entered()
	return nil
}

// entered counts the request and pays for its part of the retry budget.
func (j *Job) entered() {
	j.Pool.Meter.Requests.Add(1)
	j.earn()
}

// tryWaiting is one try of a request that waits, with the newest snapshot: what it waits for may have gone, and others have come.
// True ends the waiting, with places or without hope of any.
func (j *Job) tryWaiting() bool {
	if s := j.desk.Table.Load(); s != j.Snapshot {
		j.decide(s)
		if j.Decision.Code != route.OK {
			return true
		}
	}
	return j.take() || !j.full()
}

func (j *Job) busy(cause Cause, reason string) *Refusal {
	return &Refusal{Status: http.StatusServiceUnavailable, Cause: cause, Reason: reason, RetryAfter: max(time.Second, j.Pool.Spec.QueueTimeout)}
}

func (j *Job) nobody() *Refusal {
	return &Refusal{
		Status: http.StatusServiceUnavailable, Cause: NoMemberLeft, RetryAfter: nobodyWait,
		Reason: fmt.Sprintf("no member of %s can take a request", j.Pool.Name),
	}
}
