package plugins_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/fairlead/fairlead/plugins/app"
	"github.com/fairlead/fairlead/tools/lab"
)

// both serves the live catalogue over HTTP and HTTPS.
const both = `{
	fairlead {
		cluster live {
			file {LIVE}
		}
		dns {DNS}
		{STATE}
	}
	on_demand_tls {
		permission fairlead
	}
}
http:// {
	fairlead
}
https:// {
	tls {
		issuer internal
		on_demand
	}
	fairlead
}
`

// client sends requests one after another until ctx ends.
type client struct {
	url   string
	fresh bool // a connection for every request, and no request is repeated
	posts bool // every other request is one that may not be repeated

	answered, repeated atomic.Int64
}

func (c *client) run(ctx context.Context, t *testing.T) {
	transport := &http.Transport{
		DisableKeepAlives: c.fresh,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, ServerName: "shop.example.com"},
	}
	defer transport.CloseIdleConnections()
	for n := 0; ctx.Err() == nil; n++ {
		method, body := "GET", ""
		if c.posts && n%2 == 1 {
			method, body = "POST", "body"
		}
		err := c.one(transport, method, body)
		if err != nil && !c.fresh && method == "GET" {
			c.repeated.Add(1)
			err = c.one(transport, method, body)
		}
		if err != nil {
			t.Errorf("%s %s, a connection for each %t: request %d: %v", method, c.url, c.fresh, n, err)
			return
		}
		c.answered.Add(1)
	}
}

func (c *client) one(transport *http.Transport, method, body string) error {
	request, err := http.NewRequest(method, c.url, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Host = "shop.example.com"
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.ReadAll(response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	return nil
}

// TestReloadsUnderLoadFailNothing: connections that the lane holds do not even notice; clients of Caddy's own may have to repeat what a kept
// connection was closed for.
func TestReloadsUnderLoadFailNothing(t *testing.T) {
	for _, lane := range engines {
		t.Run(lane, func(t *testing.T) { reloadUnderLoad(t, lane) })
	}
}

func reloadUnderLoad(t *testing.T, lane string) {
	const reloads = 100
	s := newSite(t)
	s.lane = lane
	shop := lab.StartBackend(t, "shop", nil)
	s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}})
	config, err := s.adapt(both)
	if err != nil {
		t.Fatal(err)
	}
	broken, err := s.adapt(strings.Replace(both, "dns {DNS}", "dns 192.0.2.1:53", 1)) // an address of nobody here: fails when it starts
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	clients := []*client{
		{url: "http://" + s.http, fresh: true, posts: true}, {url: "https://" + s.https, fresh: true, posts: true},
		{url: "http://" + s.http}, {url: "https://" + s.https},
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, c := range clients {
		running.Go(func() { c.run(ctx, t) })
	}
	for n := range reloads {
		time.Sleep(10 * time.Millisecond)
		if n%10 == 9 {
			if err := caddy.Load(broken, true); err == nil {
				t.Error("a configuration with an address of nobody was loaded")
			}
		}
		if err := caddy.Load(config, true); err != nil {
			t.Errorf("reload %d: %v", n, err)
		}
	}
	stop()
	running.Wait()
	for _, c := range clients {
		t.Logf("%d reloads and %d that failed, %s, a connection for each %t: %d answered, %d repeated once",
			reloads, reloads/10, c.url, c.fresh, c.answered.Load(), c.repeated.Load())
		if n := c.repeated.Load(); n > 0 && lane != "lane off" {
			t.Errorf("%d kept connections to %s were closed", n, c.url)
		}
		if c.answered.Load() < reloads {
			t.Errorf("the load on %s was too small to show anything", c.url)
		}
	}
}

// TestReloadForgetsNothing keeps facts, meters and versions, tunnels and slow requests.
func TestReloadForgetsNothing(t *testing.T) {
	s := newSite(t)
	begun, release := make(chan struct{}), make(chan struct{})
	slow := lab.StartBackend(t, "slow", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-release
		io.WriteString(w, "done")
	}))
	echo := lab.StartBackend(t, "echo", http.HandlerFunc(lab.Echo))
	s.catalogue(s.live, map[string][]*lab.Backend{"slow.example.com": {slow}, "ws.example.com": {echo}})
	s.mustLoad(plain)
	socket, err := lab.DialWebSocket(s.http, "ws.example.com")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	slowly := make(chan *answer, 1)
	go func() { slowly <- s.get("slow.example.com", "/") }()
	<-begun
	before := app.Current()
	facts, version := before.Edge().Facts("live"), before.Edge().Table().Load().Version
	s.mustLoad(strings.Replace(plain, "{STATE}", "{STATE}\n\t\tdefaults {\n\t\t\tretries 1\n\t\t}", 1))
	after := app.Current()
	if after == before {
		t.Fatal("nothing was reloaded")
	}
	if after.Edge().Facts("live") != facts {
		t.Error("the facts of an unchanged cluster are others")
	}
	if got := after.Edge().Table().Load().Version; got < version {
		t.Errorf("the snapshot's version fell from %d to %d", version, got)
	}
	if err := socket.Echo("still there"); err != nil {
		t.Errorf("the tunnel after a reload: %v", err)
	}
	close(release)
	if got := <-slowly; got.StatusCode != 200 || got.body != "done" {
		t.Errorf("the slow request after a reload: %d %q", got.StatusCode, got.body)
	}
}

// TestShutdownDelayIsForAddressesThatClose reloads with Caddy's shutdown_delay set, which is meant for load balancers in front.
func TestShutdownDelayIsForAddressesThatClose(t *testing.T) {
	s := newSite(t)
	delayed := strings.Replace(plain, "{\n", "{\n\tshutdown_delay 5s\n", 1)
	s.mustLoad(delayed)
	began := time.Now()
	s.mustLoad(strings.Replace(delayed, "{STATE}", "{STATE}\n\t\tdefaults {\n\t\t\tretries 1\n\t\t}", 1))
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("a reload that closes nothing took %s", took)
	}
	s.mustLoad(plain) // the end of the test is not what is delayed here
}

// TestBadConfigurationsChangeNothing loads what fails at every stage; what was served before is served on.
func TestBadConfigurationsChangeNothing(t *testing.T) {
	s := newSite(t)
	shop := lab.StartBackend(t, "shop", nil)
	s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}})
	s.mustLoad(plain)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	running := app.Current()
	for _, c := range []struct{ name, caddyfile, want string }{
		{"no clusters", "{\n}\n:{HTTPPORT} {\n\tfairlead\n}\n", "no clusters are configured: add the global option fairlead"},
		{"policy", strings.Replace(plain, "{STATE}", "{STATE}\n\t\tdefaults {\n\t\t\tpolicy x\n\t\t}", 1), `policy "x": want one of`},
		{"token file", strings.Replace(plain, "{STATE}", "{STATE}\n\t\tcluster b {\n\t\t\tprefix b.\n\t\t\tconsul 127.0.0.1:1 {\n\t\t\t\ttoken_file {DIR}/none\n\t\t\t}\n\t\t}", 1), "token file"},
		{"nameserver's port", strings.Replace(plain, "dns {DNS}", "dns "+taken.Addr().String(), 1), "address already in use: another program answers there"},
		{"proxy's port", strings.Replace(plain, ":{HTTPPORT} {", "http://:"+port(taken.Addr().String())+" {\n\tbind 127.0.0.1", 1), "address already in use"},
		{"nameserver at the proxy's", strings.Replace(plain, "dns {DNS}", "dns :{HTTPPORT}", 1), "in use for"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := s.load(c.caddyfile); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if app.Current() != running {
				t.Error("another app is running")
			}
			if got := s.get("shop.example.com", "/"); got.StatusCode != 200 {
				t.Errorf("the shop answers %d", got.StatusCode)
			}
			if got := s.do("GET", "http://"+s.admin+"/fairlead/ready", s.admin); got.StatusCode != 200 {
				t.Errorf("the admin endpoint answers %d", got.StatusCode)
			}
		})
	}
	s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}, "new.example.com": {shop}})
	s.until("a new domain", func() bool { return s.get("new.example.com", "/").StatusCode == 200 })
}

// TestAddressesMoveBetweenCaddyAndFairlead gives a port to Fairlead and takes it back. Caddy closes the servers of the old configuration
// a moment after the load, and a connection that waits in a socket is lost with it; soon all go to the new owner.
func TestAddressesMoveBetweenCaddyAndFairlead(t *testing.T) {
	s := newSite(t)
	shop := lab.StartBackend(t, "shop", nil)
	s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}})
	stock := "{\n}\n:{HTTPPORT} {\n\theader X-Backend stock\n\trespond stock\n}\n"
	transport := &http.Transport{DisableKeepAlives: true}
	owner := func() (string, error) {
		request, err := http.NewRequest("GET", "http://"+s.http, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = "shop.example.com"
		response, err := transport.RoundTrip(request)
		if err != nil {
			return "", err
		}
		response.Body.Close()
		return response.Header.Get("X-Backend"), nil
	}
	for range 3 {
		for _, step := range []struct{ caddyfile, owner string }{{stock, "stock"}, {plain, "shop"}} {
			s.mustLoad(step.caddyfile)
			in := 0 // answers of the new owner in a row
			s.until(step.owner, func() bool {
				if who, err := owner(); err != nil || who != step.owner {
					in = 0
				} else {
					in++
				}
				return in == 20
			})
		}
	}
}

func TestNameserverAnswersOverReloads(t *testing.T) {
	lab.Require(t, "dig")
	s := newSite(t)
	shop := lab.StartBackend(t, "shop", nil)
	s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}})
	config, err := s.adapt(plain)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for _, how := range []string{"+notcp", "+tcp"} {
		asking.Go(func() {
			for ctx.Err() == nil {
				out, err := exec.Command("dig", "@127.0.0.1", "-p", port(s.dns), how, "+tries=1", "+time=5", "+short", "shop.example.com", "SRV").CombinedOutput()
				if err != nil || !strings.Contains(string(out), fmt.Sprint(shop.Port)) {
					t.Errorf("dig %s: %v: %s", how, err, out)
				}
			}
		})
	}
	for range 30 {
		time.Sleep(20 * time.Millisecond)
		if err := caddy.Load(config, true); err != nil {
			t.Error(err)
		}
	}
	stop()
	asking.Wait()
}

// TestOwnAddressesAreNoMembers registers the proxy at itself.
func TestOwnAddressesAreNoMembers(t *testing.T) {
	s := newSite(t)
	var loop, admin lab.Backend
	fmt.Sscan(port(s.http), &loop.Port)
	fmt.Sscan(port(s.admin), &admin.Port)
	loop.Name, admin.Name = "loop", "admin"
	s.catalogue(s.live, map[string][]*lab.Backend{"loop.example.com": {&loop}, "admin.example.com": {&admin}})
	s.mustLoad(plain)
	for _, host := range []string{"loop.example.com", "admin.example.com"} {
		if got := s.get(host, "/"); got.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s answers %d", host, got.StatusCode)
		}
		var explained struct{ Reason string }
		got := s.do("GET", "http://"+s.admin+"/fairlead/explain?host="+host, s.admin)
		if err := json.Unmarshal([]byte(got.body), &explained); err != nil || !strings.Contains(got.body, "own") {
			t.Errorf("%s is explained by %s", host, got.body)
		}
	}
}

// TestReloadsThatFailTouchNoConnection loads what fails when its listeners are open already, again and again, and something good at last.
func TestReloadsThatFailTouchNoConnection(t *testing.T) {
	for _, lane := range engines {
		t.Run(lane, func(t *testing.T) {
			s := newMixed(t, lane, "")
			broken := strings.Replace(strings.Replace(mixed, "{SERVERS}", "", 1), "{STATE}", "{STATE}\n\t\tdns 192.0.2.1:53", 1) // an address of nobody here
			var talks []*talk
			for _, name := range []string{"", "shop.example.com"} {
				for range 2 {
					talks = append(talks, s.talkTo(t, name))
				}
			}
			talks[1].say(get("told.example.com", "/"))
			talks[1].hears("told")
			talks[3].say(get("told.example.com", "/"))
			talks[3].hears("told")
			ask := func() {
				t.Helper()
				for _, c := range talks {
					c.say(get("shop.example.com", "/a"))
					c.hears("shop GET /a 127.0.0.1")
				}
				for _, name := range []string{"", "shop.example.com"} {
					c := s.talkTo(t, name)
					c.say(get("shop.example.com", "/b") + get("told.example.com", "/c"))
					c.hears("shop GET /b 127.0.0.1")
					c.hears("told")
				}
			}
			ask()
			for range 8 {
				if err := s.load(broken); err == nil {
					t.Fatal("a configuration with an address of nobody was loaded")
				}
				ask()
			}
			s.mustLoad(strings.Replace(mixed, "{SERVERS}", "", 1))
			if lane == "lane off" { // kept connections end with their server
				talks = nil
			} else {
				talks = []*talk{talks[0], talks[2]}
			}
			ask()
		})
	}
}

// TestLaneComesAndGoes changes the option under kept connections, which go on.
func TestLaneComesAndGoes(t *testing.T) {
	s := newMixed(t, engines[0], "")
	clear, secured := s.talkTo(t, ""), s.talkTo(t, "shop.example.com")
	ask := func(inLane bool) {
		t.Helper()
		served := app.Current().Edge().Lane().Served
		for _, c := range []*talk{clear, secured} {
			c.say(get("shop.example.com", "/a"))
			c.hears("shop GET /a 127.0.0.1")
		}
		if inLane {
			served += 2
		}
		s.laneHasServed(served)
	}
	ask(true)
	s.lane = "lane off"
	s.mustLoad(strings.Replace(mixed, "{SERVERS}", "", 1))
	ask(false)
	s.lane = engines[0]
	s.mustLoad(strings.Replace(mixed, "{SERVERS}", "", 1))
	clear, secured = s.talkTo(t, ""), s.talkTo(t, "shop.example.com")
	ask(true)
}

// TestAddressThatGoesIsDrained: what the lane has under way there ends with its answer, what is idle at once.
func TestAddressThatGoesIsDrained(t *testing.T) {
	s := newSite(t)
	begun, release := make(chan struct{}), make(chan struct{})
	slow := lab.StartBackend(t, "slow", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(begun)
			<-release
		}
		io.WriteString(w, "done")
	}))
	s.catalogue(s.live, map[string][]*lab.Backend{"slow.example.com": {slow}})
	s.mustLoad(plain)
	idle, busy := s.talkTo(t, ""), s.talkTo(t, "")
	idle.say(get("slow.example.com", "/"))
	idle.hears("done")
	busy.say(get("slow.example.com", "/slow"))
	<-begun
	s.mustLoad(fmt.Sprintf("{\n}\nhttp://:%d {\n\trespond stock\n}\n", lab.FreePort(t)))
	if _, err := idle.in.ReadByte(); err != io.EOF {
		t.Errorf("an idle connection: %v", err)
	}
	close(release)
	busy.hears("done")
	if _, err := busy.in.ReadByte(); err != io.EOF {
		t.Errorf("a connection that has had its answer: %v", err)
	}
}
