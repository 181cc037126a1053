package forward_test

import (
	"bufio"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/forward"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/tools/lab"
	"github.com/fairlead/fairlead/tools/lab/places"
)

// domain is the one every test serves.
const domain = "shop.example.com"

// proxy is a handler over a table of one pool, behind a real server.
type proxy struct {
	*forward.Handler
	*httptest.Server
	meters   *pool.Meters
	observer *observer
	refused  chan *dispatch.Refusal
	outcomes chan *forward.Outcome
	settings pool.Settings
	trusted  []netip.Prefix
	snapshot *pool.Snapshot
	slaves   int // the last members published are of a lower priority group
}

// option changes a proxy before its server starts.
type option func(*proxy)

func trusting(p *proxy) { p.trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// over serves over TLS with HTTP/2 or HTTP/1.1.
func overTLS(http2 bool) option {
	return func(p *proxy) {
		p.Server.EnableHTTP2 = http2
		p.Server.StartTLS()
	}
}

func newProxy(t testing.TB, settings pool.Settings, members []string, options ...option) *proxy {
	t.Helper()
	p := &proxy{
		meters: pool.NewMeters(), observer: new(observer), settings: settings,
		refused: make(chan *dispatch.Refusal, 1000), outcomes: make(chan *forward.Outcome, 1000),
		snapshot: new(pool.Snapshot),
	}
	transport := egress.New(egress.Options{Sweep: 20 * time.Millisecond})
	p.Handler = &forward.Handler{Desk: dispatch.Desk{Table: pool.NewTable(), Transport: transport, Observer: p.observer}}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	p.Server.Config.ErrorLog = log.New(io.Discard, "", 0)
	for _, o := range options {
		o(p)
	}
	p.publish(t, members...)
	if p.Server.URL == "" {
		p.Server.Start()
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		transport.Run(ctx)
	}()
	t.Cleanup(func() {
		p.Server.CloseClientConnections()
		p.Server.Close()
		cancel()
		<-done
		p.idle(t)
	})
	return p
}

// serve answers refusals as a plugin would.
func (p *proxy) serve(w http.ResponseWriter, r *http.Request) {
	outcome := new(forward.Outcome)
	defer func() { p.outcomes <- outcome }()
	refusal := p.Serve(w, r, outcome)
	if refusal == nil {
		return
	}
	p.refused <- refusal
	if refusal.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(refusal.RetryAfter/time.Second)))
	}
	http.Error(w, refusal.Reason, refusal.Status)
}

// publish makes members, as addresses, the pool's.
func (p *proxy) publish(t testing.TB, members ...string) {
	t.Helper()
	service := &discovery.Service{Name: domain}
	for i, addr := range members {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.Atoi(port)
		id := "shop-" + strconv.Itoa(i)
		instance := discovery.Instance{
			ID: discovery.InstanceID("live", "web", id), Cluster: "live", Node: "web", Service: domain, ServiceID: id,
			Address: host, Port: uint16(n),
		}
		if i < len(members)-p.slaves {
			instance.Meta = map[string]string{"priority": "10"}
		}
		service.Instances = append(service.Instances, instance)
	}
	facts := discovery.NoFacts("live")
	facts.Ready, facts.Services[domain] = true, service
	next, _ := pool.Build(p.snapshot, pool.Input{
		Now: time.Now(), Trusted: p.trusted, Meters: p.meters,
		Clusters: []pool.ClusterInput{{Config: pool.ClusterConfig{Name: "live", Defaults: p.settings}, Facts: facts}},
	})
	p.snapshot = next
	p.Table.Store(next)
}

func (p *proxy) pool() *pool.Pool { return p.Table.Load().Clusters[0].Exact[domain] }

// idle checks that no place is held once everything is over.
func (p *proxy) idle(t testing.TB) {
	t.Helper()
	eventually(t, func() string { return places.Held(p.pool()) })
}

// request returns a request for the domain.
func (p *proxy) request(method, path string, body io.Reader) *http.Request {
	r, err := http.NewRequest(method, p.URL+path, body)
	if err != nil {
		panic(err)
	}
	r.Host = domain
	return r
}

// do sends a request and returns the response with its body read.
func (p *proxy) do(t testing.TB, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := p.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the body: %v", err)
	}
	return resp, string(body)
}

func (p *proxy) get(t testing.TB) (*http.Response, string) {
	t.Helper()
	return p.do(t, p.request("GET", "/", nil))
}

// dial opens a raw connection to the proxy.
func (p *proxy) dial(t testing.TB) *wire {
	t.Helper()
	c, err := net.Dial("tcp", p.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return &wire{Conn: c, Reader: bufio.NewReader(c)}
}

// wire is a raw connection.
type wire struct {
	net.Conn
	*bufio.Reader
}

// Read reads what is buffered first.
func (w *wire) Read(p []byte) (int, error) { return w.Reader.Read(p) }

// observer counts what it is told.
type observer struct {
	mu        sync.Mutex
	succeeded int
	failures  []string
}

func (o *observer) Succeeded(*pool.Pool, *pool.Member) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.succeeded++
}

func (o *observer) Refused(p *pool.Pool, m *pool.Member, reason string) {
	o.Failed(p, m, "refused: "+reason)
}

func (o *observer) Failed(_ *pool.Pool, _ *pool.Member, reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failures = append(o.failures, reason)
}

func (o *observer) failed() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.failures...)
}

// eventually waits until check has nothing to complain of.
func eventually(t testing.TB, check func() string) {
	t.Helper()
	var complaint string
	for range 1000 {
		if complaint = check(); complaint == "" {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error(complaint)
}

// backend is a member that speaks net/http.
func backend(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.Listener.Addr().String()
}

// rawBackend is a member that handles its connections itself; each is closed when handle returns.
func rawBackend(t testing.TB, handle func(c *wire)) string {
	t.Helper()
	return lab.Accept(t, func(c net.Conn) {
		defer c.Close()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		handle(&wire{Conn: c, Reader: bufio.NewReader(c)})
	})
}

// readHead reads one head from a raw connection, without its empty line.
func (w *wire) readHead() (string, error) {
	head := ""
	for {
		line, err := w.ReadString('\n')
		if err != nil {
			return head, err
		}
		if line == "\r\n" {
			return head, nil
		}
		head += line
	}
}
