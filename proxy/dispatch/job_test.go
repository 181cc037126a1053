package dispatch_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/balance"
	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/route"
)

func TestDecisionsThatRefuse(t *testing.T) {
	ready, empty := newDesk(nil, 10), newDesk(nil, 10)
	empty.draining = true
	empty.publish(10)
	fresh := newDesk(nil)
	fresh.unready = true
	fresh.publish()
	for _, c := range []struct {
		desk   *desk
		host   string
		code   route.Code
		status int
		wait   time.Duration
	}{
		{ready, "nobody.example.com", route.NoDomain, 404, 0},
		{ready, "not a host", route.BadHost, 400, 0},
		{fresh, domain, route.ClusterUnready, 503, 2 * time.Second},
		{empty, domain, route.NoMember, 503, 5 * time.Second},
	} {
		var j dispatch.Job
		ask := asked
		ask.Host = c.host
		j.Begin(&c.desk.Desk, plain, ask)
		r := j.Undecided()
		if r.Code != c.code || r.Status != c.status || r.Cause != dispatch.Undecided || r.RetryAfter != c.wait || r.Word() != c.code.String() || r.Reason == "" {
			t.Errorf("%s: %+v", c.host, r)
		}
		j.End()
	}
}

func TestPlacesAreTakenAndGivenBack(t *testing.T) {
	d := newDesk(nil, 10, 10)
	j := d.enter(t, plain)
	meter := d.pool().Meter
	if meter.InFlight.Load() != 1 || j.Member.Meter.InFlight.Load() != 1 || meter.Requests.Load() != 1 || j.Attempts() != 1 {
		t.Errorf("in flight %d and %d, requests %d, attempts %d", meter.InFlight.Load(), j.Member.Meter.InFlight.Load(), meter.Requests.Load(), j.Attempts())
	}
	m := j.Member
	j.LeaveMember()
	j.LeaveMember()
	if meter.InFlight.Load() != 1 || m.Meter.InFlight.Load() != 0 {
		t.Errorf("in flight %d and %d after the member was left", meter.InFlight.Load(), m.Meter.InFlight.Load())
	}
	j.End()
	d.idle(t)
	if j.Member != nil || j.Pool != nil || j.Attempts() != 0 {
		t.Errorf("an ended job knows %v of %v", j.Member, j.Pool)
	}
	j.End() // has nothing to give back
	d.idle(t)
}

func TestTrust(t *testing.T) {
	d := newDesk(nil, 10)
	for peer, want := range map[string]bool{"10.9.3.4": true, "192.0.2.1": false, "::1": false} {
		var j dispatch.Job
		j.Begin(&d.Desk, plain, route.Ask{Host: domain, Peer: netip.MustParseAddr(peer)})
		if got := j.Trusted(); got != want {
			t.Errorf("%s is trusted: %t", peer, got)
		}
		j.End()
	}
}

// A client that is bound to a draining member is served where nobody is active, and nobody else is.
func TestBoundToADrainingMember(t *testing.T) {
	d := newDesk(map[string]string{"sticky": "srv"}, 10)
	d.draining = true
	d.publish(10)
	m := d.pool().Members[0]
	j := d.enter(t, &request{cookies: []string{"srv=" + balance.Token(m.ID())}})
	if j.Member != m {
		t.Errorf("%v serves", j.Member)
	}
}
