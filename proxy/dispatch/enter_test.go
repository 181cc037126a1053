package dispatch_test

import (
	"context"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/balance"
	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/proxy/route"
)

// queue begins a job that has to wait.
func (d *desk) queue(t *testing.T) *dispatch.Job {
	t.Helper()
	j := d.begin(t, plain)
	if entered, refusal := j.Enter(); entered || refusal != nil {
		t.Fatalf("entered %t, %+v", entered, refusal)
	}
	return j
}

// await lets j wait in a goroutine of its own. What frees a place may come before it waits, which then ends at once.
func await(t *testing.T, j *dispatch.Job) <-chan *dispatch.Refusal {
	done := make(chan *dispatch.Refusal, 1)
	go func() { done <- j.Wait(t.Context()) }()
	return done
}

func TestQueue(t *testing.T) {
	for name, settings := range map[string]pool.Settings{
		"pool":   {"max_conns": "1", "queue": "1", "queue_timeout": "7s"},
		"member": {"member_max_conns": "1", "queue": "1", "queue_timeout": "7s"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(settings, 10)
			first, second := d.enter(t, plain), d.queue(t)
			third := d.begin(t, plain)
			entered, refusal := third.Enter()
			if entered || refusal == nil || refusal.Cause != dispatch.QueueFull || refusal.Status != 503 || refusal.RetryAfter != 7*time.Second {
				t.Fatalf("the second in a queue of one: %t, %+v", entered, refusal)
			}
			done := await(t, second)
			first.End()
			if refusal := <-done; refusal != nil || second.Member == nil {
				t.Fatalf("the place was not handed over: %+v", refusal)
			}
			if n := d.pool().Meter.Requests.Load(); n != 2 {
				t.Errorf("%d requests were counted", n)
			}
			second.End()
			third.End()
			d.idle(t)
		})
	}
}

func TestWaitingEnds(t *testing.T) {
	d := newDesk(pool.Settings{"max_conns": "1", "queue_timeout": "20ms"}, 10)
	d.enter(t, plain)
	j := d.queue(t)
	if r := j.Wait(t.Context()); r == nil || r.Cause != dispatch.QueueTimeout || r.Status != 503 || r.RetryAfter != time.Second {
		t.Errorf("after the time: %+v", r)
	}
	j = d.queue(t)
	gone, leave := context.WithCancel(t.Context())
	leave()
	if r := j.Wait(gone); r == nil || r.Cause != dispatch.ClientGone || r.Status != dispatch.StatusClientGone {
		t.Errorf("after the client left: %+v", r)
	}
	if n := d.pool().Meter.Queued.Load(); n != 0 {
		t.Errorf("%d requests wait", n)
	}
}

// Who waits is served by a member that has come, and refused when the domain has gone.
func TestWaitingFollowsTheSnapshot(t *testing.T) {
	d := newDesk(pool.Settings{"member_max_conns": "1", "queue_timeout": "10s"}, 10)
	d.enter(t, plain)
	come, gone := d.queue(t), d.queue(t)
	served := await(t, come)
	d.publish(10, 10)
	d.Transport.Queue.Recheck()
	if r := <-served; r != nil || come.Snapshot != d.snapshot || come.Pool != d.pool() || come.Member != d.pool().Members[1] {
		t.Errorf("served by %v: %+v", come.Member, r)
	}
	refused := await(t, gone)
	d.publish()
	d.Transport.Queue.Recheck()
	if r := <-refused; r == nil || r.Cause != dispatch.Undecided || r.Code != route.NoDomain {
		t.Errorf("refused by %+v", r)
	}
}

// Waiting is no help where only a draining member could have served, and that one is full.
func TestNobodyIsLeft(t *testing.T) {
	d := newDesk(pool.Settings{"sticky": "srv", "member_max_conns": "1"}, 10)
	d.draining = true
	d.publish(10)
	bound := &request{cookies: []string{"srv=" + balance.Token(d.pool().Members[0].ID())}}
	d.enter(t, bound)
	entered, r := d.begin(t, bound).Enter()
	if entered || r == nil || r.Cause != dispatch.NoMemberLeft || r.Status != 503 || r.RetryAfter != 5*time.Second {
		t.Errorf("entered %t, %+v", entered, r)
	}
}
