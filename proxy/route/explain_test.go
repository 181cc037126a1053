package route

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/pool"
)

func TestExplainShowsWhatTheDecisionWasMadeFrom(t *testing.T) {
	s := twins()
	test, live := s.Clusters[0], s.Clusters[1]
	p := test.Exact["shop.example.com"]
	p.Spec.Apply("meta", pool.Settings{"policy": "random"})
	p.Problems = []string{`meta: retries "many": want a whole number from 0 to 10`}
	slave := *p.Members[0]
	slave.Instance = &discovery.Instance{ID: "test/web2/shop-2", Health: discovery.Critical, Held: "vanished with 3 others"}
	slave.State, slave.Reason, slave.Priority, slave.Limit = pool.Down, "critical", 9, 5
	p.Members = append(p.Members, &slave)
	p.Groups = append(p.Groups, &pool.Group{Priority: 9, Members: []*pool.Member{&slave}})
	test.Facts = &discovery.Facts{
		Doubts:  []discovery.Doubt{{Kind: discovery.MassDoubt, Reason: "3 vanished", Since: time.Unix(1, 0).UTC()}},
		Sources: []discovery.SourceStatus{{Doubts: []discovery.Doubt{{Kind: discovery.SourceDoubt, Reason: "no leader"}}}},
	}
	live.Refused = []pool.Refusal{
		{Domain: "test.shop.example.com", Service: "test.shop.example.com", Reason: "begins with the prefix of cluster test"},
		{Domain: "shop.example.com", Service: "other", Reason: "not about this domain"},
	}
	test.Refused = []pool.Refusal{{Domain: "shop.example.com", Service: "zzz", Reason: "shop.example.com is claimed by a service of that name"}}

	text, err := json.Marshal(Explain(s, Ask{Host: "Test.Shop.example.com:80", Peer: insider, Path: "/cart"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"version":7,"host":"Test.Shop.example.com:80","path":"/cart","client":"10.1.2.3","code":"ok","status":200,"reason":"test.shop.example.com is served by`,
		`"domain":"test.shop.example.com"`,
		`"cluster":{"name":"test","prefix":"test.","ready":true,"allow":["10.0.0.0/8","192.168.0.0/16","fd00::/8"],"doubt":[{"kind":"mass"`,
		`"reason":"no leader"`,
		`"pool":{"name":"shop.example.com","service":"shop.example.com","policy":"random","min_active":1,"why":"1 of the 1 needed is up in group 10"`,
		`"groups":[{"priority":10,"joined":true,"members":[{"instance":"test/web1/shop.example.com-1","address":"10.1.1.1:32768","state":"active","weight":1,"in_flight":0,"limit":0,"health":"passing","tags":["master"]}]}`,
		`{"priority":9,"joined":false,"members":[{"instance":"test/web2/shop-2","address":"10.1.1.1:32768","state":"down","reason":"critical","weight":1,"in_flight":0,"limit":5,"held":"vanished with 3 others","health":"critical"}]}`,
		`"policy":{"value":"random","origin":"meta"}`,
		`"retries":{"value":"2","origin":"built-in"}`,
		`"problems":["meta: retries`,
		`"refused":[{"cluster":"test","domain":"shop.example.com","service":"zzz","reason":"shop.example.com is claimed`,
		`{"cluster":"live","domain":"test.shop.example.com","service":"test.shop.example.com","reason":"begins with`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "not about this domain") {
		t.Errorf("a claim of another cluster's name stands in\n%s", text)
	}
}

// TestExplainShowsLimits: who is full, which groups have joined for that, and when requests wait, is of this moment and in no snapshot.
func TestExplainShowsLimits(t *testing.T) {
	facts := discovery.NoFacts("live")
	facts.Ready = true
	s := &discovery.Service{Name: "db.example.com"}
	for i, tag := range []string{"master", "slave"} {
		id := discovery.InstanceID("live", "web1", tag)
		s.Instances = append(s.Instances, discovery.Instance{ID: id, Cluster: "live", Node: "web1", Service: s.Name, ServiceID: tag,
			Address: "10.1.1.1", Port: uint16(8000 + i), Tags: []string{tag}})
	}
	facts.Services[s.Name] = s
	for _, c := range []struct {
		name           string
		master, slave  int64 // in flight
		pool           int64
		joined         int
		why, whyMaster string
	}{
		{"nobody is full", 1, 0, 1, 10, "priority 10 has 1 of 1 up, and min active is 1", ""},
		{"the master is full", 2, 0, 2, 9, "; 1 of them are at their connection limit, so those down to priority 9 take part", "at its connection limit of 2"},
		{"both are", 2, 2, 4, 9, "; everybody is at their connection limit, so requests wait", "at its connection limit of 2"},
		{"the pool is", 2, 1, 5, 9, "; the pool is at its limit of 5, so requests wait", "at its connection limit of 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			snapshot, _ := pool.Build(nil, pool.Input{Now: time.Now(), Meters: pool.NewMeters(), Clusters: []pool.ClusterInput{{
				Config: pool.ClusterConfig{Name: "live", Defaults: pool.Settings{"member_max_conns": "2", "max_conns": "5"}}, Facts: facts,
			}}})
			p := snapshot.Clusters[0].Exact[s.Name]
			p.Meter.InFlight.Store(c.pool)
			p.Members[0].Meter.InFlight.Store(c.master)
			p.Members[1].Meter.InFlight.Store(c.slave)
			e := ExplainPool(p)
			if !strings.HasSuffix(e.Why, c.why) {
				t.Errorf("why %q, want %q", e.Why, c.why)
			}
			if got := e.Groups[0].Members[0].Reason; got != c.whyMaster {
				t.Errorf("the master's reason is %q, want %q", got, c.whyMaster)
			}
			if !e.Groups[0].Joined || e.Groups[1].Joined != (c.joined == 9) {
				t.Errorf("joined: %v and %v, want down to %d", e.Groups[0].Joined, e.Groups[1].Joined, c.joined)
			}
		})
	}
}

func TestExplainRefusals(t *testing.T) {
	s := twins()
	for _, c := range []struct {
		a      Ask
		code   string
		reason string
	}{
		{Ask{Host: "a b", Peer: outsider}, `"code":"bad_host","status":400`, `\"a b\" is not a host name`},
		{Ask{Peer: outsider}, `"code":"no_domain","status":404`, "the request names no host"},
		{Ask{Host: "nobody.org", Peer: outsider}, `"code":"no_domain","status":404`, "no service of cluster live claims nobody.org"},
		{Ask{Host: "test.shop.example.com", Peer: outsider}, `"code":"denied","status":403`, "cluster test is not for 198.51.100.7"},
		{Ask{Host: "test.shop.example.com"}, `"code":"denied","status":403`, "the address of the client is not known"},
		{Ask{Host: "test.shop.example.com", Peer: insider, XForwardedFor: []string{"unknown"}}, `"code":"bad_chain","status":403`, `\"unknown\" in Forwarded or X-Forwarded-For`},
		{Ask{Host: "fresh.example.com", Peer: insider}, `"code":"cluster_unready","status":503`, "cluster fresh has had no facts yet"},
		{Ask{Host: "down.example.com", Peer: outsider}, `"code":"no_member","status":503`, "none of its 1 members is active: 10.1.1.1:32768 is down (critical: check web)"},
	} {
		text, err := json.Marshal(Explain(s, c.a))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), c.code) || !strings.Contains(string(text), c.reason) {
			t.Errorf("%+v: want %s and %s in\n%s", c.a, c.code, c.reason, text)
		}
	}
	s.Clusters = s.Clusters[:1]
	if e := Explain(s, Ask{Host: "shop.example.com"}); !strings.Contains(e.Reason, "no cluster takes shop.example.com") {
		t.Errorf("reason %q", e.Reason)
	}
}

func TestCodeOutOfRange(t *testing.T) {
	if c := Code(200); c.String() != "unknown" || c.Status() != 500 {
		t.Errorf("%s, %d", c, c.Status())
	}
}
