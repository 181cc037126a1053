package nameserver

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/pool"
)

var (
	insider  = netip.MustParseAddr("10.1.2.3")
	outsider = netip.MustParseAddr("198.51.100.7")
)

// newMember returns a member that is up.
func newMember(address string, port uint16, priority, weight int) *pool.Member {
	in := &discovery.Instance{ID: fmt.Sprintf("live/web/%s-%d", address, port), Address: address, Port: port}
	return &pool.Member{Instance: in, Addr: in.HostPort(), Priority: priority, Weight: weight, State: pool.Active, Meter: new(pool.Meter)}
}

// newPool returns a pool whose groups hold members of one priority each, highest first, and have joined up to joined; members
// that are not active are in no lineup.
func newPool(name, service string, joined int, members ...*pool.Member) *pool.Pool {
	p := &pool.Pool{Name: name, Service: service, Spec: pool.DefaultSpec(), Members: members, Joined: joined, Meter: new(pool.PoolMeter)}
	var up []*pool.Member
	for i, m := range members {
		if i == 0 || m.Priority != members[i-1].Priority {
			p.Groups = append(p.Groups, &pool.Group{Priority: m.Priority})
			p.Lineups = append(p.Lineups, nil)
		}
		last := len(p.Groups) - 1
		p.Groups[last].Members = append(p.Groups[last].Members, m)
		if m.State == pool.Active {
			up = append(up, m)
		}
		p.Lineups[last] = &pool.Lineup{Members: up[:len(up):len(up)]}
	}
	return p
}

func newCluster(name, prefix string, allow []netip.Prefix, pools ...*pool.Pool) *pool.Cluster {
	c := &pool.Cluster{Name: name, Prefix: prefix, Allow: allow, Ready: true,
		Exact: map[string]*pool.Pool{}, Wildcard: map[string]*pool.Pool{}, Services: map[string]*pool.Pool{}}
	for _, p := range pools {
		switch parent, wild := strings.CutPrefix(p.Name, "*."); {
		case wild:
			c.Wildcard[parent] = p
		case strings.Contains(p.Name, "."):
			c.Exact[p.Name] = p
		}
		c.Services[p.Service] = p
	}
	return c
}

// world is a live cluster, a test cluster for 10.0.0.0/8, one that answers with its edge, and one without facts.
func world() *pool.Snapshot {
	down := newMember("10.0.0.9", 80, 0, 1)
	down.State = pool.Down
	many := make([]*pool.Member, 0, 300)
	for i := range 300 {
		many = append(many, newMember(fmt.Sprintf("10.7.%d.%d", i/200, i%200+1), uint16(20000+i), 0, 1))
	}
	live := newCluster("live", "", nil,
		newPool("shop.example.com", "shop.example.com", 0,
			newMember("10.0.0.1", 32768, 0, 1), newMember("10.0.0.2", 32769, 0, 3), newMember("2001:db8::1", 32770, 0, 1),
			newMember("10.0.0.1", 32771, 0, 1), newMember("::ffff:10.0.0.3", 32772, 0, 70000)),
		newPool("db.example.com", "db.example.com", 1, newMember("10.0.0.4", 6379, 10, 1), newMember("10.0.0.5", 6379, 9, 2),
			newMember("10.0.0.6", 6379, 1, 1)),
		newPool("master.example.com", "master.example.com", 0, newMember("10.0.0.4", 6379, 10, 1), newMember("10.0.0.5", 6379, 9, 2)),
		newPool("named.example.com", "named", 0, newMember("Backend.example.net", 80, 0, 1), newMember("no host..name", 80, 0, 1), newMember("10.0.0.7", 81, 0, 1)),
		newPool("down.example.com", "down.example.com", -1, down),
		newPool("many.example.com", "many.example.com", 0, many...),
		newPool("*.wild.example.com", "wild", 0, newMember("10.0.0.8", 80, 0, 1)),
		newPool("redis", "redis", 0, newMember("10.0.0.10", 6379, 0, 1)))
	test := newCluster("test", "test.", []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		newPool("shop.example.com", "shop.example.com", 0, newMember("10.8.0.1", 32768, 0, 1)),
		newPool("redis", "redis", 0, newMember("10.8.0.2", 6379, 0, 1)))
	front := newCluster("front", "front.", nil,
		newPool("shop.example.com", "shop.example.com", 0, newMember("10.9.0.1", 32768, 0, 1)),
		newPool("down.example.com", "down.example.com", -1, down))
	front.DNS.Edge = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::e")}
	fresh := newCluster("fresh", "fresh.", nil)
	fresh.Ready = false
	return &pool.Snapshot{Version: 7, Clusters: []*pool.Cluster{live, test, front, fresh}}
}

// question returns a query such as dig sends it.
func question(text string) *dns.Msg {
	name, qtype, _ := strings.Cut(text, " ")
	m := new(dns.Msg).SetQuestion(name, dns.StringToType[qtype])
	m.Id = 4711
	return m.SetEdns0(4096, false)
}

// digest writes a reply as dig does, without what is the same in all: TTLs, the OPT record.
func digest(t *testing.T, m *dns.Msg) string {
	t.Helper()
	var lines []string
	status := dns.RcodeToString[m.Rcode]
	if m.Authoritative {
		status += " aa"
	}
	if m.Truncated {
		status += " tc"
	}
	lines = append(lines, status)
	for _, section := range []struct {
		name    string
		records []dns.RR
	}{{"", m.Answer}, {"auth ", m.Ns}, {"extra ", m.Extra}} {
		for _, rr := range section.records {
			if rr.Header().Rrtype == dns.TypeOPT {
				continue
			}
			if rr.Header().Ttl != 3 {
				t.Errorf("%s has another TTL", rr)
			}
			lines = append(lines, section.name+strings.ReplaceAll(strings.ReplaceAll(rr.String(), "\t3\tIN\t", " "), "\t", " "))
		}
	}
	return strings.Join(lines, "\n")
}
