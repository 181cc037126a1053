package registrar

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/hashicorp/consul/api"
)

// attempt is how the work on one service has fared.
type attempt struct {
	name, doing string
	want        *api.AgentServiceRegistration
	taken       bool // the agent has taken it
	failures    int
	err         error
	since       time.Time // of the first failure in a row
	next        time.Time // not before
}

// attempts are the works under way, by service ID.
type attempts struct {
	all        map[string]*attempt
	least, top time.Duration
}

// due reports whether it is time for an action, and remembers it. Another action on the same service, or for another aim, starts anew.
func (t *attempts) due(now time.Time, a *action) bool {
	at := t.all[a.id]
	if at == nil || at.doing != a.doing() || !reflect.DeepEqual(at.want, a.want) || at.taken && !a.changes {
		t.all[a.id] = &attempt{name: a.name, doing: a.doing(), want: a.want}
		return true
	}
	if at.taken {
		// Consul, or somebody else, makes another thing of what we write: do not quarrel at full speed.
		t.failed(now, a, fmt.Errorf("registered as it ought to be, and yet %s: does another program register it too?", a.why))
		return false
	}
	return !now.Before(at.next)
}

// doing names what an action is.
func (a *action) doing() string {
	switch {
	case a.deregister:
		return "deregister"
	case a.register != nil:
		return "register"
	case a.maintain != "":
		return "drain"
	}
	return "resume"
}

// failed notes that an action that was due has not succeeded. first is true if the error is news.
func (t *attempts) failed(now time.Time, a *action, err error) (first bool) {
	at := t.all[a.id]
	if at.failures == 0 {
		at.since = now
	}
	first = at.err == nil || at.err.Error() != err.Error()
	at.failures++
	at.taken, at.err = false, err
	at.next = now.Add(backoff(t.least, t.top, at.failures))
	return first
}

// done notes that the agent has taken an action; what it failed on before stays shown until it is seen to last.
func (t *attempts) done(a *action) {
	at := t.all[a.id]
	at.taken, at.next = true, time.Time{}
}

// settle forgets the services on which there is nothing left to do.
func (t *attempts) settle(actions []*action) {
	open := make(map[string]bool, len(actions))
	for _, a := range actions {
		open[a.id] = true
	}
	for id := range t.all {
		if !open[id] {
			delete(t.all, id)
		}
	}
}

// next returns when the earliest retry is due, or the zero time.
func (t *attempts) next() time.Time {
	var first time.Time
	for _, at := range t.all {
		if !at.next.IsZero() && (first.IsZero() || at.next.Before(first)) {
			first = at.next
		}
	}
	return first
}

// backoff returns how long to wait after so many failures in a row: twice as long each time, up to the most, less up to a half at
// random.
func backoff(least, most time.Duration, failures int) time.Duration {
	d := most
	if failures < 16 {
		d = min(most, least<<max(0, failures-1))
	}
	return d/2 + rand.N(d/2+1)
}
