package registrar

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery/consul"
	realconsul "github.com/fairlead/fairlead/tools/consul"
)

func TestConfig(t *testing.T) {
	for _, test := range []struct {
		name    string
		c       Config
		refused string
	}{
		{"defaults", Config{}, ""},
		{"an owner", Config{Owner: "edge-1.site_a"}, ""},
		{"an owner of other characters", Config{Owner: "a b"}, `owner "a b"`},
		{"a node of other characters", Config{Node: "ä"}, "node"},
		{"a negative time", Config{Resync: -time.Second}, "negative"},
		{"no writers", Config{Writers: -1}, "writers"},
		{"retries the wrong way round", Config{RetryMin: time.Minute}, "shorter"},
		{"an address of another kind", Config{Address: "ftp://a"}, `address "ftp://a"`},
		{"a token twice", Config{Token: "a", TokenFile: "b"}, "both"},
		{"a missing token file", Config{TokenFile: filepath.Join(t.TempDir(), "none")}, "token file"},
		{"TLS in clear", Config{TLS: consul.TLS{ServerName: "a"}}, "https"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := New(test.c)
			if (err == nil) != (test.refused == "") || err != nil && !strings.Contains(err.Error(), test.refused) {
				t.Errorf("error %v, want one about %q", err, test.refused)
			}
		})
	}
}

func TestLocalAgent(t *testing.T) {
	var here self
	here.Config.NodeName, here.Config.NodeID, here.Member.Addr = "host1", "1-2-3", "192.0.2.7"
	for _, test := range []struct {
		name    string
		c       Config
		unknown bool // the agent does not say who it is
		refused string
	}{
		{name: "loopback", c: Config{Address: "127.0.0.1:8500"}},
		{name: "loopback of IPv6 over TLS", c: Config{Address: "https://[::1]:8501"}},
		{name: "loopback by name", c: Config{Address: "localhost:8500"}, unknown: true},
		{name: "elsewhere", c: Config{Address: "192.0.2.7:8500"}, refused: "another host's"},
		{name: "elsewhere, and advertised as ours", c: Config{Address: "192.0.2.9:8500", Advertise: "192.0.2.7"}},
		{name: "elsewhere, and we are advertised otherwise", c: Config{Address: "192.0.2.9:8500", Advertise: "192.0.2.8"}, refused: "another host's"},
		{name: "elsewhere, and allowed", c: Config{Address: "192.0.2.7:8500", Node: "host2", AllowRemote: true}},
		{name: "our node by name", c: Config{Address: "192.0.2.7:8500", Node: "host1"}},
		{name: "our node by its ID", c: Config{Address: "192.0.2.7:8500", Node: "1-2-3"}},
		{name: "our node, and it does not say so", c: Config{Address: "192.0.2.7:8500", Node: "host1"}, unknown: true, refused: "another host's"},
		{name: "another node at loopback", c: Config{Address: "127.0.0.1:8500", Node: "host2"}, refused: `node "host1", and this is "host2"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			who := here
			if test.unknown {
				who = self{}
			}
			err := test.c.isLocal(t.Context(), who, !test.unknown)
			if (err == nil) != (test.refused == "") || err != nil && !strings.Contains(err.Error(), test.refused) {
				t.Errorf("error %v, want one about %q", err, test.refused)
			}
		})
	}
}

func TestRealHTTPS(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{HTTPS: true})
	c := prompt(a)
	c.Address, c.TLS.CAFile = "https://"+a.HTTPS, a.CAFile
	r := start(t, c)
	r.source.all(instance("shop", "shop-1", 8001))
	r.until(t, "the service", settled(1))
	c.TLS.CAFile, c.Owner = "", "stranger"
	stranger := start(t, c)
	stranger.until(t, "the refusal of an unknown authority", func(s Status) bool { return strings.Contains(s.Agent.Reason, "certificate") })
}

func TestRealOtherNode(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{Node: "host1"})
	c := prompt(a)
	c.Node = "host2"
	r := start(t, c)
	r.source.all(instance("shop", "shop-1", 8001))
	r.until(t, "the refusal", func(s Status) bool { return !s.Agent.Up && strings.Contains(s.Agent.Reason, `node "host1"`) })
	expect(t, a)
}

// TestRealNodeNamedLater: what was registered under the agent's node ID is still ours when the configuration names the node.
func TestRealNodeNamedLater(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{Node: "host1"})
	c := prompt(a)
	for _, node := range []string{"", "host1", ""} {
		c.Node = node
		r := start(t, c)
		r.source.all(instance("shop", "shop-1", 8001))
		r.until(t, "the service", settled(1))
		if id := r.service(t, a, "shop-1").Meta["node_id"]; id == "" || node != "" && id != node {
			t.Errorf("with node %q it is registered for %q", node, id)
		}
		r.stop()
	}
}
