package pool

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

func TestStates(t *testing.T) {
	here := "10.0.0.1:20013" // of the first copy of a.example.com
	cases := []struct {
		name     string
		copy     copyOf
		override Override
		verdict  Verdict
		config   Settings
		state    State
		reason   string // a part of it
		weight   int
	}{
		{name: "passing", copy: plain, state: Active, weight: 1},
		{name: "weight", copy: weights(7, 2), state: Active, weight: 7},
		{name: "warning", copy: all(weights(7, 2), health(discovery.Warning)), state: Active, reason: "warning", weight: 2},
		{name: "warning not served", copy: health(discovery.Warning), config: Settings{"warning": "down"}, state: Down, reason: "does not serve"},
		{name: "critical", copy: func(i *discovery.Instance) { i.Health, i.HealthNote = discovery.Critical, "web: timeout" },
			state: Down, reason: "critical at its source: web: timeout"},
		{name: "maintenance", copy: health(discovery.Maintenance), state: Disabled, reason: "maintenance"},
		{name: "unknown health", copy: health(9), state: Down, reason: "unknown"},
		{name: "huge weight", copy: weights(1<<20, 1), state: Active, weight: 65535},
		{name: "negative weight", copy: weights(-1, 1), state: Active, weight: 1},

		{name: "check", copy: plain, verdict: Verdict{Down: true, Reason: "status 500"}, state: Down, reason: "failed the checks: status 500"},
		{name: "check at its address", copy: plain, verdict: Verdict{Down: true, Address: here}, state: Down, reason: "failed the checks"},
		{name: "check elsewhere", copy: plain, verdict: Verdict{Down: true, Address: "10.9.9.9:1"}, state: Active},
		{name: "check is well", copy: plain, verdict: Verdict{Reason: "ok"}, state: Active},
		{name: "only member ejected", copy: plain, verdict: Verdict{Down: true, Ejected: true, Reason: "reset"}, state: Active, reason: "kept although it failed"},

		{name: "drain", copy: plain, override: Override{Action: Drain, Address: here, Author: "anna", Reason: "update"},
			state: Draining, reason: "draining by order of anna: update"},
		{name: "disable", copy: plain, override: Override{Action: Disable, Address: here, Author: "anna"}, state: Disabled, reason: "disabled by order of anna"},
		{name: "disable beats critical", copy: health(discovery.Critical), override: Override{Action: Disable, Address: here}, state: Disabled, reason: "order"},
		{name: "drain of a critical one", copy: health(discovery.Critical), override: Override{Action: Drain, Address: here}, state: Down, reason: "critical"},
		{name: "drain of an ejected one", copy: plain, verdict: Verdict{Down: true, Ejected: true}, override: Override{Action: Drain, Address: here}, state: Draining, reason: "order"},
		{name: "weight by order", copy: weights(7, 2), override: Override{Action: Weight, Weight: 3, Address: here, Author: "anna", Reason: "busy"},
			state: Active, reason: "weight 3 by order of anna: busy", weight: 3},
		{name: "expired", copy: plain, override: Override{Action: Disable, Address: here, Expires: noon}, state: Active},
		{name: "not expired", copy: plain, override: Override{Action: Disable, Address: here, Expires: noon.Add(1)}, state: Disabled, reason: "order"},
		{name: "void", copy: plain, override: Override{Action: Disable, Address: "10.0.0.9:1"}, state: Active},

		{name: "no port", copy: at("10.0.0.1", 0), state: Down, reason: "without a port"},
		{name: "held", copy: heldAs("restored"), state: Active, reason: "kept in doubt: restored"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld("")
			w.config().Defaults = c.config
			w.put(0, "a.example.com", c.copy)
			id := instance("a.example.com", 1)
			if c.override.Action != "" {
				w.in.Clusters[0].Overrides[id] = c.override
			}
			w.in.Clusters[0].Verdicts[id] = c.verdict
			w.build()
			m := w.pool(t, "a.example.com").Members[0]
			if m.State != c.state || !strings.Contains(m.Reason, c.reason) || c.reason == "" && m.Reason != "" {
				t.Errorf("%s (%q), want %s (%q)", m.State, m.Reason, c.state, c.reason)
			}
			if c.weight != 0 && m.Weight != c.weight {
				t.Errorf("weight %d, want %d", m.Weight, c.weight)
			}
		})
	}
}

func TestVoidOverrideIsTold(t *testing.T) {
	w := newWorld("")
	w.put(0, "a.example.com", plain)
	w.in.Clusters[0].Overrides[instance("a.example.com", 1)] = Override{Action: Drain, Address: "10.0.0.9:1"}
	w.build()
	if p := w.pool(t, "a.example.com"); len(p.Problems) != 1 || !strings.Contains(p.Problems[0], "is void") {
		t.Errorf("problems %q", p.Problems)
	}
}

func TestRefusedAddresses(t *testing.T) {
	own := []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:8080"), netip.MustParseAddrPort("[::]:8443"), netip.MustParseAddrPort("127.0.0.1:2019")}
	local := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	cases := []struct {
		address string
		port    uint16
		refused string
	}{
		{"10.0.0.1", 80, ""},
		{"2001:db8::2", 80, ""},
		{"127.0.0.1", 80, ""},
		{"web1.example.net", 80, ""},
		{"10.0.0.1", 0, "without a port"},
		{"web1.example.net", 0, "without a port"},
		{"0.0.0.0", 80, "unspecified"},
		{"::", 80, "unspecified"},
		{"::ffff:0.0.0.0", 80, "unspecified"},
		{"224.0.0.1", 80, "multicast"},
		{"ff02::1", 80, "multicast"},
		{"255.255.255.255", 80, "broadcast"},
		{"169.254.169.254", 80, "metadata"},
		{"::ffff:169.254.169.254", 80, "metadata"},
		{"fd00:ec2::254", 80, "metadata"},
		{"169.254.1.1", 80, "link-local"},
		{"fe80::1", 80, "link-local"},
		{"fe80::1%eth0", 80, "link-local"},
		{"192.0.2.1", 8080, "own"},
		{"127.0.0.1", 8080, "own"},
		{"127.9.9.9", 8080, "own"},
		{"::1", 8080, "own"},
		{"::ffff:127.0.0.1", 8443, "own"},
		{"2001:db8::1", 8443, "own"},
		{"127.0.0.1", 2019, "own"},
		{"192.0.2.1", 2019, ""},
		{"192.0.2.2", 8080, ""},
		{"192.0.2.1", 8081, ""},
	}
	for _, c := range cases {
		g := &guard{own: own, local: local}
		got := g.refuse(&discovery.Instance{Address: c.address, Port: c.port})
		if (got == "") != (c.refused == "") || !strings.Contains(got, c.refused) {
			t.Errorf("%s port %d: %q, want %q", c.address, c.port, got, c.refused)
		}
	}
}

// TestRefusedAddressGoesDown: a new listener of ours takes members out that are there already.
func TestRefusedAddressGoesDown(t *testing.T) {
	w := newWorld("")
	w.put(0, "a.example.com", at("127.0.0.1", 8080), plain)
	w.build()
	w.in.Own = []netip.AddrPort{netip.MustParseAddrPort("[::]:8080")}
	w.build()
	p := w.pool(t, "a.example.com")
	if m := p.Members[0]; m.State != Down || !strings.Contains(m.Reason, "loop") || p.Groups[0].Up != 1 {
		t.Errorf("%s (%s), %d up", m.State, m.Reason, p.Groups[0].Up)
	}
}

// TestHeldGivesWay: an instance kept in doubt goes down once anything of any cluster has its address and port.
func TestHeldGivesWay(t *testing.T) {
	w := newWorld("", "test.")
	w.put(0, "old.example.com", all(at("10.1.1.1", 80), heldAs("restored")), all(at("2001:DB8::1", 80), heldAs("restored")))
	w.put(0, "a.example.com", at("10.1.1.1", 81), at("10.1.1.2", 80))
	w.put(1, "b.example.com", all(at("10.1.1.1", 80), heldAs("restored")))
	state := func(n int) (State, string) {
		m := w.pool(t, "old.example.com").Members[n-1]
		return m.State, m.Reason
	}
	w.build()
	if s, why := state(1); s != Active {
		t.Fatalf("nobody else vouches for its address, and it is %s (%s)", s, why)
	}
	w.put(1, "c.example.com", all(at("10.1.1.1", 80), health(discovery.Critical)))
	w.put(0, "d.example.com", at("2001:db8:0::1", 80))
	w.build()
	if s, why := state(1); s != Down || !strings.Contains(why, "test/n1/c.example.com-1") {
		t.Errorf("its address is claimed in another cluster, and it is %s (%s)", s, why)
	}
	if s, why := state(2); s != Down {
		t.Errorf("its address is claimed in another spelling, and it is %s (%s)", s, why)
	}
	w.remove(1, "c.example.com")
	w.build()
	if s, why := state(1); s != Active {
		t.Errorf("the claim is gone, and it is %s (%s)", s, why)
	}
}

// TestHeldKeepsWhatItShared: of those restored together at one address and port, the confirmed ones do not take it from the others.
func TestHeldKeepsWhatItShared(t *testing.T) {
	w := newWorld("")
	there := at("10.1.1.1", 80)
	w.put(0, "a.example.com", there)
	w.put(0, "old.example.com", all(there, heldAs("restored")), all(there, heldAs("restored long ago")))
	was := w.in.Clusters[0].Facts.Services["a.example.com"].Instances[0]
	was.Held = "restored"
	w.in.Clusters[0].Facts.Shared = map[string][]*discovery.Instance{was.ID: {&was}}
	check := func(when string, want ...State) {
		t.Helper()
		w.build()
		for n, m := range w.pool(t, "old.example.com").Members {
			if m.State != want[n] {
				t.Errorf("%s: member %d is %s (%s), want %s", when, n+1, m.State, m.Reason, want[n])
			}
		}
	}
	check("the other one is confirmed", Active, Down)
	w.put(0, "b.example.com", there)
	check("a third one is registered there", Down, Down)
	w.put(0, "b.example.com", at("10.1.1.2", 80))
	check("the third one has moved", Active, Down)
	w.put(0, "a.example.com", at("10.1.1.2", 80))
	check("the other one has moved", Active, Active)
	w.in.Clusters[0].Facts.Shared[was.ID][0].Address = "10.9.9.9"
	w.put(0, "a.example.com", there)
	check("the other one was elsewhere then", Down, Down)
}

// TestEjection: no more than half of a group is ejected, and never its last member that is up.
func TestEjection(t *testing.T) {
	cases := []struct {
		name              string
		members, critical int
		ejected           []int // members in the order of their ejection
		down              []int // those that stay out
	}{
		{"one of one", 1, 0, []int{1}, nil},
		{"one of two", 2, 0, []int{2}, []int{2}},
		{"both of two", 2, 0, []int{2, 1}, []int{2}},
		{"all of three", 3, 0, []int{3, 1, 2}, []int{3}},
		{"all of four", 4, 0, []int{4, 1, 3, 2}, []int{4, 1}},
		{"half, with a critical one", 4, 1, []int{2, 3}, []int{2, 3}},
		{"the last one up", 4, 3, []int{4}, nil},
		{"the last two up", 4, 2, []int{4, 3}, []int{4}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld("")
			copies := make([]copyOf, c.members)
			for n := range copies {
				copies[n] = plain
				if n < c.critical {
					copies[n] = health(discovery.Critical)
				}
			}
			w.put(0, "a.example.com", copies...)
			for order, n := range c.ejected {
				w.in.Clusters[0].Verdicts[instance("a.example.com", n)] = Verdict{
					Down: true, Ejected: true, Reason: "reset", Since: noon.Add(time.Duration(order) * time.Second)}
			}
			w.build()
			p := w.pool(t, "a.example.com")
			up := c.members - c.critical - len(c.down)
			if p.Groups[0].Up != up || len(p.Lineups[0].Members) != up {
				t.Errorf("%d up, want %d", p.Groups[0].Up, up)
			}
			for _, n := range c.down {
				if m := p.Members[n-1]; m.State != Down || !strings.Contains(m.Reason, "ejected") {
					t.Errorf("member %d is %s (%s)", n, m.State, m.Reason)
				}
			}
		})
	}
}

// TestRefusedConnections: who refuses connections is out, were it the last of its group, as long as anybody is well.
func TestRefusedConnections(t *testing.T) {
	cases := []struct {
		name             string
		priorities       []int
		refused, ejected []int
		down             []int
		joined           int
	}{
		{"the master", []int{2, 1}, []int{1}, nil, []int{1}, 1},
		{"all masters", []int{2, 2, 2, 1}, []int{1, 2, 3}, nil, []int{1, 2, 3}, 1},
		{"the master, while the slave fails", []int{2, 1}, []int{1}, []int{2}, nil, 0},
		{"everybody", []int{2, 1}, []int{1, 2}, nil, nil, 0},
		{"the only one", []int{1}, []int{1}, nil, nil, 0},
		{"two of three", []int{1, 1, 1}, []int{1, 3}, nil, []int{1, 3}, 0},
		{"all of three", []int{1, 1, 1}, []int{1, 2, 3}, nil, []int{1}, 0},
		{"one refuses, one fails", []int{1, 1, 1}, []int{1}, []int{2}, []int{1}, 0},
		{"one refuses, one of four fails", []int{1, 1, 1, 1}, []int{1}, []int{2}, []int{1, 2}, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld("")
			var copies []copyOf
			for _, n := range c.priorities {
				copies = append(copies, metaOf("priority", strconv.Itoa(n)))
			}
			w.put(0, "db.example.com", copies...)
			for order, n := range slices.Concat(c.refused, c.ejected) {
				w.in.Clusters[0].Verdicts[instance("db.example.com", n)] = Verdict{
					Down: true, Ejected: true, Refused: order < len(c.refused), Since: noon.Add(time.Duration(order) * time.Second)}
			}
			w.build()
			p := w.pool(t, "db.example.com")
			var down []int
			for n, m := range p.Members {
				if m.State != Active {
					down = append(down, n+1)
				}
			}
			if !slices.Equal(down, c.down) || p.Joined != c.joined {
				t.Errorf("down are %v, and joined is %d; want %v, %d", down, p.Joined, c.down, c.joined)
			}
		})
	}
}

// TestEjectionIsPerGroup: the last member of a group stays although lower groups have members, if it fails in other ways than by
// refusing connections.
func TestEjectionIsPerGroup(t *testing.T) {
	w := newWorld("")
	w.put(0, "db.example.com", tags("master"), tags("slave"), tags("slave"))
	for n := 1; n <= 2; n++ {
		w.in.Clusters[0].Verdicts[instance("db.example.com", n)] = Verdict{Down: true, Ejected: true, Since: noon}
	}
	w.build()
	p := w.pool(t, "db.example.com")
	if p.Members[0].State != Active || p.Members[1].State != Down || p.Joined != 0 {
		t.Errorf("master %s, slave %s, joined %d", p.Members[0].State, p.Members[1].State, p.Joined)
	}
}
