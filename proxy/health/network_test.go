package health

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/pool"
)

// network is a Dialer with servers in memory, for synctest. An address without a server refuses; a nil server accepts and is silent.
type network struct {
	mu      sync.Mutex
	servers map[string]http.Handler
	dialled map[string][]time.Time
	open    int
	most    int // connections open at once
}

func newNetwork() *network {
	return &network{servers: map[string]http.Handler{}, dialled: map[string][]time.Time{}}
}

func (n *network) serve(addr string, h http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.servers[addr] = h
}

func (n *network) down(addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.servers, addr)
}

func (n *network) dials(addr string) []time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dialled[addr]
}

func (n *network) DialContext(_ context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dialled[addr] = append(n.dialled[addr], time.Now())
	h, ok := n.servers[addr]
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connection refused")}
	}
	client, server := net.Pipe()
	n.open++
	n.most = max(n.most, n.open)
	conn := &countedConn{Conn: client, closed: sync.OnceFunc(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.open--
		server.Close()
	})}
	if h != nil {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true)
		protocols.SetUnencryptedHTTP2(true)
		go (&http.Server{Handler: h, Protocols: protocols}).Serve(&once{conn: server, done: make(chan struct{})})
	}
	return conn, nil
}

type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// once is a listener with a single connection, which ends when that does.
type once struct {
	conn net.Conn
	done chan struct{}
}

func (l *once) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l *once) Close() error   { return nil }
func (l *once) Addr() net.Addr { return &net.TCPAddr{} }

// site is a table with one pool, whose members can be changed.
type site struct {
	table     *pool.Table
	published chan struct{}
	meters    *pool.Meters
}

func newSite() *site {
	return &site{table: pool.NewTable(), published: make(chan struct{}, 1), meters: pool.NewMeters()}
}

// member returns a member named by its address.
func (s *site) member(addr string) *pool.Member {
	id := "live/node/" + addr
	return &pool.Member{Instance: &discovery.Instance{ID: id}, Addr: addr, State: pool.Active, Meter: s.meters.Member(id)}
}

// checking returns a pool with a check.
func checking(name, check string, set func(*pool.Spec), members ...*pool.Member) *pool.Pool {
	spec := pool.DefaultSpec()
	spec.Check, spec.CheckInterval, spec.CheckTimeout, spec.CheckRise, spec.CheckFall = check, 10*time.Second, time.Second, 2, 3
	if set != nil {
		set(spec)
	}
	return &pool.Pool{Name: name, Service: name, Spec: spec, Members: members}
}

// publish replaces the snapshot.
func (s *site) publish(prefix string, pools ...*pool.Pool) {
	c := &pool.Cluster{Prefix: prefix, Exact: map[string]*pool.Pool{}}
	for _, p := range pools {
		c.Exact[p.Name] = p
	}
	s.table.Store(&pool.Snapshot{Clusters: []*pool.Cluster{c}})
	select {
	case s.published <- struct{}{}:
	default:
	}
}

// start runs a in the background until stop is called or the test ends.
func start(t *testing.T, a *Active, s *site) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		if err := a.Run(ctx, s.table, s.published); !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
	stop = func() { cancel(); work.Wait() }
	t.Cleanup(stop)
	return stop
}
