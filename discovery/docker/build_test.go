package docker

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	api "github.com/docker/docker/api/types/container"

	"github.com/fairlead/fairlead/discovery"
)

// rules are what most cases go by.
func rules(change func(*Config)) builder {
	c := Config{Cluster: "live", Advertise: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}}
	if change != nil {
		change(&c)
	}
	return builder{node: "web1", rule: addressRule{c: c, bridges: []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16")}}}
}

// read takes a box through the client's types.
func read(t *testing.T, b box) *container {
	t.Helper()
	raw, err := json.Marshal(b.inspect())
	if err != nil {
		t.Fatal(err)
	}
	var r api.InspectResponse
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	c, err := readContainer(r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lines shows what a container makes: "service id address tags", and "! port reason" for refusals.
func lines(made built) []string {
	var all []string
	for _, i := range made.instances {
		line := i.Service + " " + i.ServiceID + " " + i.HostPort()
		if len(i.Tags) > 0 {
			line += " " + strings.Join(i.Tags, "|")
		}
		all = append(all, line)
	}
	for _, r := range made.refusals {
		all = append(all, strings.Join(strings.Fields("! "+r.Port+" "+r.Reason), " "))
	}
	return all
}

type buildCase struct {
	name   string
	config func(*Config)
	box    box
	want   []string // each the beginning of a line
}

func (b buildCase) run(t *testing.T) {
	if b.box.id == "" {
		b.box.id = shop(1).id
	}
	b.box.name = "shop-1"
	if b.box.image == "" {
		b.box.image = "registry.example.com:5000/team/shop:1.4"
	}
	got := lines(rules(b.config).build(read(t, b.box), discovery.Passing, ""))
	if !slices.EqualFunc(got, b.want, strings.HasPrefix) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(b.want, "\n"))
	}
}

func TestNamesAndTags(t *testing.T) {
	published, two := []string{"80=0.0.0.0:32768"}, []string{"80=0.0.0.0:32768", "443=0.0.0.0:32769"}
	for _, test := range []buildCase{
		{name: "the image's name", box: box{ports: published}, want: []string{"shop web1:shop-1:80 192.0.2.1:32768"}},
		{name: "with a digest", box: box{image: "shop:1.4@sha256:0123", ports: published}, want: []string{"shop "}},
		{name: "with a digest alone", box: box{image: "a/shop@sha256:0123", ports: published}, want: []string{"shop "}},
		{name: "an image without a name", box: box{image: "sha256:8da1b939a46a687f", ports: published}, want: []string{"! 80/tcp its image has no name"}},
		{name: "an image's ID, cut short", box: box{image: "8da1b939a46a", ports: published}, want: []string{"! 80/tcp its image has no name"}},
		{name: "several ports", box: box{ports: two}, want: []string{"shop-80 web1:shop-1:80 192.0.2.1:32768", "shop-443 web1:shop-1:443 192.0.2.1:32769"}},
		{name: "one published of several", box: box{ports: []string{"80=0.0.0.0:32768", "443"}}, want: []string{"shop web1:shop-1:80"}},
		{name: "a name for all", box: box{ports: two, env: []string{"SERVICE_NAME=a.example.com"}}, want: []string{"a.example.com-80", "a.example.com-443"}},
		{name: "a name for one", box: box{ports: two, env: []string{"SERVICE_80_NAME=a.example.com"}}, want: []string{"a.example.com web1", "shop-443"}},
		{name: "ignored", box: box{ports: two, env: []string{"SERVICE_IGNORE=1"}}},
		{name: "one ignored", box: box{ports: two, labels: map[string]string{"SERVICE_443_IGNORE": "yes"}}, want: []string{"shop-80 "}},
		{name: "tags in their order", box: box{ports: published, env: []string{`SERVICE_TAGS=c,a\,x,b`}}, want: []string{"shop web1:shop-1:80 192.0.2.1:32768 c|a,x|b"}},
		{name: "udp", box: box{ports: []string{"53/udp=0.0.0.0:53"}, env: []string{"SERVICE_TAGS=a"}}, want: []string{"shop web1:shop-1:53:udp 192.0.2.1:53 a|udp"}},
		{name: "both protocols", box: box{ports: []string{"53/udp=0.0.0.0:53", "53=0.0.0.0:53"}},
			want: []string{"shop-53 web1:shop-1:53 192.0.2.1:53", "shop-53 web1:shop-1:53:udp 192.0.2.1:53 udp"}},
		{name: "an ID of its own", box: box{ports: published, env: []string{"SERVICE_ID=one"}}, want: []string{"shop one 192.0.2.1"}},
		{name: "explicit, nothing said", config: func(c *Config) { c.Explicit = true }, box: box{ports: published}},
		{name: "explicit, for one port", config: func(c *Config) { c.Explicit = true },
			box: box{ports: two, env: []string{"SERVICE_443_NAME=a.example.com"}}, want: []string{"a.example.com web1:shop-1:443"}},
		{name: "a name that cannot be", box: box{ports: two, env: []string{"SERVICE_80_NAME=a b"}}, want: []string{"shop-443", `! 80/tcp the name "a b" has spaces`}},
		{name: "an ID that cannot be", box: box{ports: published, env: []string{"SERVICE_ID=a\tb"}}, want: []string{`! 80/tcp the ID "a\tb" has spaces`}},
		{name: "a port that cannot be", box: box{ports: published, env: []string{"SERVICE_70000_NAME=x"}}, want: []string{"! SERVICE_70000_NAME: 70000 is not a port"}},
		{name: "a name and no port", box: box{ports: []string{"80"}, env: []string{"SERVICE_NAME=x.example.com"}}, want: []string{"! it names this service on a port"}},
		{name: "a name for another port", box: box{ports: []string{"80", "443=0.0.0.0:1443"}, env: []string{"SERVICE_80_NAME=x.example.com"}},
			want: []string{"shop web1:shop-1:443", "! it names this service on a port"}},
		{name: "a key that is ours", box: box{ports: published, env: []string{"SERVICE_OWNER=me"}}, want: []string{"shop ", "! 80/tcp SERVICE_OWNER is left out"}},
		{name: "no ports", box: box{}},
	} {
		t.Run(test.name, test.run)
	}
}

func TestPlaces(t *testing.T) {
	six := func(c *Config) { c.PreferIPv6 = true }
	only6 := func(c *Config) { c.Advertise = c.Advertise[1:] }
	inside := func(c *Config) { c.Internal, c.Advertise = true, nil }
	named := func(c *Config) { inside(c); c.Network = "shop-net" }
	for _, test := range []buildCase{
		{name: "both families", box: box{ports: []string{"80=[::]:32769,0.0.0.0:32768"}}, want: []string{"shop web1:shop-1:80 192.0.2.1:32768"}},
		{name: "IPv6 first", config: six, box: box{ports: []string{"80=0.0.0.0:32768,[::]:32769"}}, want: []string{"shop web1:shop-1:80 [2001:db8::1]:32769"}},
		{name: "IPv6 only", box: box{ports: []string{"80=[::]:32769"}}, want: []string{"shop web1:shop-1:80 [2001:db8::1]:32769"}},
		{name: "no IPv4 to advertise", config: only6, box: box{ports: []string{"80=0.0.0.0:32768"}}, want: []string{"! 80/tcp it is published on all addresses of a family (0.0.0.0) that"}},
		{name: "an address of its own", box: box{ports: []string{"80=198.51.100.7:8080"}}, want: []string{"shop web1:shop-1:80 198.51.100.7:8080"}},
		{name: "an IPv6 address of its own", box: box{ports: []string{"80=[2001:db8::7]:8080"}}, want: []string{"shop web1:shop-1:80 [2001:db8::7]:8080"}},
		{name: "several bindings", box: box{ports: []string{"80=198.51.100.7:8080,198.51.100.7:8081"}}, want: []string{"shop web1:shop-1:80 198.51.100.7:8080"}},
		{name: "the good one of several", box: box{ports: []string{"80=127.0.0.1:8099,0.0.0.0:32768"}}, want: []string{"shop web1:shop-1:80 192.0.2.1:32768"}},
		{name: "no address in the binding", box: box{ports: []string{"80=:32768"}}, want: []string{"shop web1:shop-1:80 192.0.2.1:32768"}},
		{name: "loopback", box: box{ports: []string{"80=127.0.0.1:8080,[::1]:8080"}}, want: []string{"! 80/tcp 127.0.0.1 is a loopback address: no other host reaches it; ::1 is"}},
		{name: "loopback let through", config: func(c *Config) { c.AllowLoopback = true }, box: box{ports: []string{"80=127.0.0.1:8080"}},
			want: []string{"shop web1:shop-1:80 127.0.0.1:8080"}},
		{name: "link-local", box: box{ports: []string{"80=169.254.1.1:8080", "81=[fe80::1]:8080"}},
			want: []string{"! 80/tcp 169.254.1.1 is a link-local", "! 81/tcp fe80::1 is a link-local"}},
		{name: "a bridge's address", box: box{ports: []string{"80=172.17.0.1:8080"}}, want: []string{"! 80/tcp 172.17.0.1 is in a bridge network"}},
		{name: "a bridge's address let through", config: func(c *Config) { c.AllowBridge = true }, box: box{ports: []string{"80=172.17.0.1:8080"}},
			want: []string{"shop web1:shop-1:80 172.17.0.1:8080"}},
		{name: "an advertised bridge's address", config: func(c *Config) { c.Advertise = []netip.Addr{netip.MustParseAddr("172.17.0.1")} },
			box: box{ports: []string{"80=0.0.0.0:8080"}}, want: []string{"! 80/tcp 172.17.0.1 is in a bridge network"}},
		{name: "multicast", box: box{ports: []string{"80=224.0.0.1:8080"}}, want: []string{"! 80/tcp 224.0.0.1 is a multicast"}},
		{name: "garbage", box: box{ports: []string{"80=0.0.0.0:x", "81=nowhere:1"}}, want: []string{`! 80/tcp host port "x" is not`, `! 81/tcp host address "nowhere" is not`}},
		{name: "one bad, others good", box: box{ports: []string{"80=0.0.0.0:0", "81=0.0.0.0:8081"}}, want: []string{"shop-81 web1:shop-1:81 192.0.2.1:8081", `! 80/tcp host port "0"`}},
		{name: "an IPv4 address written as IPv6", box: box{ports: []string{"80=[::ffff:127.0.0.1]:80"}}, want: []string{"! 80/tcp 127.0.0.1 is a loopback"}},

		{name: "the host's network", box: box{network: "host", ports: []string{"80", "53/udp"}},
			want: []string{"shop-53 web1:shop-1:53:udp 192.0.2.1:53", "shop-80 web1:shop-1:80 192.0.2.1:80"}},
		{name: "the host's network, IPv6", config: six, box: box{network: "host", ports: []string{"80"}}, want: []string{"shop web1:shop-1:80 [2001:db8::1]:80"}},
		{name: "the host's network, nothing to advertise", config: inside, box: box{network: "host", ports: []string{"80"}}, want: []string{"! 80/tcp it is in the host's network and"}},

		{name: "inside", config: inside, box: box{ports: []string{"80=0.0.0.0:32768"}, networks: map[string]string{"bridge": "172.17.0.2"}},
			want: []string{"shop web1:shop-1:80 172.17.0.2:80"}},
		{name: "inside, exposed only", config: inside, box: box{ports: []string{"80"}, networks: map[string]string{"bridge": "172.17.0.2"}}, want: []string{"shop web1:shop-1:80 172.17.0.2:80"}},
		{name: "inside, with ingress", config: inside, box: box{ports: []string{"80"}, networks: map[string]string{"own": "10.1.0.2", "ingress": "10.0.0.4", "docker_gwbridge": "172.18.0.3"}},
			want: []string{"shop web1:shop-1:80 10.1.0.2:80"}},
		{name: "inside, two networks", config: inside, box: box{ports: []string{"80"}, networks: map[string]string{"b": "10.1.0.2", "a": "10.2.0.2"}},
			want: []string{"! 80/tcp it is in 2 networks (a, b): name the one"}},
		{name: "inside a named network", config: named, box: box{ports: []string{"80"}, networks: map[string]string{"shop-net": "10.1.0.2", "a": "10.2.0.2"}}, want: []string{"shop web1:shop-1:80 10.1.0.2:80"}},
		{name: "not in the named network", config: named, box: box{ports: []string{"80"}, networks: map[string]string{"a": "10.2.0.2"}}, want: []string{`! 80/tcp it is not in the network "shop-net"`}},
		{name: "inside, IPv6 only", config: named, box: box{ports: []string{"80"}, networks6: map[string]string{"shop-net": "fd00:9::2"}}, want: []string{"shop web1:shop-1:80 [fd00:9::2]:80"}},
		{name: "inside, no address", config: named, box: box{ports: []string{"80"}, networks: map[string]string{"shop-net": ""}}, want: []string{`! 80/tcp it has no address in the network "shop-net"`}},
		{name: "inside another's network", config: inside, box: box{network: "container:0123", ports: []string{"80"}}, want: []string{"! 80/tcp it shares the network of another"}},
	} {
		t.Run(test.name, test.run)
	}
}

func TestMeta(t *testing.T) {
	b := shop(1)
	b.ports = []string{"80=0.0.0.0:32768"}
	b.env = []string{"SERVICE_NAME=shop.example.com", "SERVICE_TAGS=a", "SERVICE_ID=x", "SERVICE_CHECK_HTTP=/global", "SERVICE_EMPTY=", "SERVICE_CONTAINER=forged"}
	b.labels = map[string]string{"SERVICE_80_CHECK_HTTP": "/health", "SERVICE_REGION": "eu", "SERVICE_CHECK_INITIAL_STATUS": "passing",
		swarmServiceLabel: "shop", swarmTaskLabel: "l16gvfnqkk1ixsi6fc35qxqnx"}
	made := rules(nil).build(read(t, b), discovery.Passing, "")
	want := map[string]string{"check_http": "/health", "region": "eu", "check_initial_status": "passing", discovery.MetaContainer: b.id,
		discovery.MetaSwarmService: "shop", discovery.MetaSwarmTask: "l16gvfnqkk1ixsi6fc35qxqnx"}
	if i := made.instances[0]; fmt.Sprint(i.Meta) != fmt.Sprint(want) || i.ID != "live/web1/x" {
		t.Errorf("%s has Meta %v, want %v", i.ID, i.Meta, want)
	}
	if len(made.refusals) != 1 || !strings.Contains(made.refusals[0].Reason, "SERVICE_CONTAINER") {
		t.Errorf("refusals %+v", made.refusals)
	}
}

func TestAnIDIsTakenOnce(t *testing.T) {
	var all []claim
	for n, created := range []string{"2026-01-02", "2026-01-01", "2026-01-01"} {
		b := shop(n + 1)
		b.env = append(b.env, "SERVICE_ID=one")
		c := read(t, b)
		all = append(all, claim{id: c.id, name: c.name, created: created, built: rules(nil).build(c, discovery.Passing, "")})
	}
	services, refusals := assemble(all)
	if i := services[shopName].Instances; len(i) != 1 || i[0].Meta[discovery.MetaContainer] != shop(2).id {
		t.Errorf("instances %+v", i)
	}
	if len(refusals) != 2 || refusals[0].Container != "shop-1" || !strings.Contains(refusals[0].Reason, `"one" is taken by container shop-2`) {
		t.Errorf("refusals %+v", refusals)
	}
}
