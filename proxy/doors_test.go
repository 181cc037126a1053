package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/forward"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/lane"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/tools/lab"
	"github.com/fairlead/fairlead/tools/lab/lanes"
)

// doors are the ways into one pool of one member: net/http behind a Guard with forward, as Caddy runs it, and the lane on each engine in
// front of the same server.
type doors struct {
	member  *witness
	forward string
	lanes   map[string]string
}

// site is the domain of the doors.
const site = "shop.example.com"

func newDoors(t *testing.T, settings pool.Settings, trusted ...netip.Prefix) *doors {
	t.Helper()
	d := &doors{member: new(witness), lanes: map[string]string{}}
	table := tableOf(t, settings, lab.Accept(t, d.member.serve), trusted)
	transport := egress.New(egress.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- transport.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	handler := &forward.Handler{Desk: dispatch.Desk{Table: table, Transport: transport}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.forward = ln.Addr().String()
	behind := &handOvers{Listener: ln, given: make(chan net.Conn), closed: make(chan struct{})}
	go behind.accept()
	const largestHead = 64 << 10
	server := &http.Server{MaxHeaderBytes: largestHead, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asCaddy(handler, w, r)
	})}
	go server.Serve(&http1.Guard{Listener: behind, Limits: http1.Limits{Head: largestHead + 8<<10, Fields: largestHead}})
	t.Cleanup(func() { server.Close() })
	for name, start := range lanes.Engines {
		l := lane.NewListener(&lane.Site{
			Desk:   &dispatch.Desk{Table: table, Transport: transport},
			Serves: func(host, _ string) bool { return strings.HasPrefix(host, site) },
			HandOver: func(c net.Conn, unread []byte, _ func()) {
				go behind.give(&handedOver{c, unread})
			},
			Server: "Caddy",
			Limits: lane.Limits{Head: http1.Limits{Head: largestHead, Fields: largestHead}},
		})
		d.lanes[name] = start(t, l)
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			l.Drain(ctx)
		})
	}
	return d
}

func tableOf(t *testing.T, settings pool.Settings, member string, trusted []netip.Prefix) *pool.Table {
	t.Helper()
	host, port, err := net.SplitHostPort(member)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(port)
	facts := discovery.NoFacts("live")
	facts.Ready = true
	facts.Services[site] = &discovery.Service{Name: site, Instances: []discovery.Instance{{
		ID: discovery.InstanceID("live", "web", "1"), Cluster: "live", Node: "web", Service: site, ServiceID: "1", Address: host, Port: uint16(n),
	}}}
	next, _ := pool.Build(new(pool.Snapshot), pool.Input{
		Now: time.Now(), Meters: pool.NewMeters(), Trusted: trusted,
		Clusters: []pool.ClusterInput{{Config: pool.ClusterConfig{Name: "live", Defaults: settings}, Facts: facts}},
	})
	table := pool.NewTable()
	table.Store(next)
	return table
}

// asCaddy serves a request as Caddy's server and the plugin do: with its Server field, without the fields whose names are ambiguous, and
// refusals with a status, a reason and no body.
func asCaddy(h *forward.Handler, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "Caddy")
	for name := range r.Header {
		if strings.ContainsAny(name, "_.") {
			delete(r.Header, name)
		}
	}
	refusal := h.Serve(w, r, nil)
	if refusal == nil {
		return
	}
	w.Header().Set("Fairlead-Reason", refusal.Word())
	if refusal.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((refusal.RetryAfter+time.Second-1)/time.Second)))
	}
	w.WriteHeader(refusal.Status)
}

// handOvers is a listener that also has the connections which a lane hands over.
type handOvers struct {
	net.Listener
	given  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *handOvers) accept() {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return
		}
		l.give(c)
	}
}

func (l *handOvers) give(c net.Conn) {
	select {
	case l.given <- c:
	case <-l.closed:
		c.Close()
	}
}

// Accept implements net.Listener.
func (l *handOvers) Accept() (net.Conn, error) {
	select {
	case c := <-l.given:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *handOvers) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// handedOver is a connection with what a lane has not used.
type handedOver struct {
	net.Conn
	unread []byte
}

func (c *handedOver) Read(p []byte) (int, error) {
	if len(c.unread) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

// witness is a member that notes what it gets, and answers what the target asks for.
type witness struct {
	mu   sync.Mutex
	seen []string
}

func (m *witness) serve(c net.Conn) {
	defer c.Close()
	var in http1.Reader
	in.Reset(c)
	defer in.Release()
	for {
		c.SetDeadline(time.Now().Add(20 * time.Second))
		head, err := in.Head(http1.Limits{})
		if errors.Is(err, os.ErrDeadlineExceeded) && in.Buffered() == 0 {
			return // kept by a door that has no more to ask
		}
		if err != nil {
			if err != io.EOF && !errors.Is(err, net.ErrClosed) {
				m.note("broken: " + err.Error())
			}
			return
		}
		var r http1.Request
		if err := r.Parse(string(head), http1.Limits{}); err != nil {
			m.note(fmt.Sprintf("broken: %q: %v", head, err))
			return
		}
		var body http1.Body
		body.Reset(&in, r.Framing())
		content := ""
		for err == nil {
			var piece []byte
			piece, err = body.Next()
			content += string(piece)
		}
		lines := fieldLines(r.Fields)
		text := fmt.Sprintf("%s %s\n%s\nbody %q", r.Method, r.Target, strings.Join(lines, "\n"), content)
		if trailers := fieldLines(body.Trailers()); len(trailers) > 0 {
			text += "\ntrailers " + strings.Join(trailers, "\n")
		}
		if err != io.EOF {
			m.note(text + "\ncut")
			return
		}
		m.note(text)
		answer, ok := answers[r.Target]
		if !ok {
			answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
		}
		io.WriteString(c, answer)
		if r.Close || strings.HasPrefix(r.Target, "/close") {
			return
		}
	}
}

func fieldLines(fields []http1.Field) (lines []string) {
	for _, f := range fields {
		lines = append(lines, f.Name+": "+f.Value)
	}
	slices.Sort(lines)
	return lines
}

func (m *witness) note(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = append(m.seen, text)
}

func (m *witness) taken() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() { m.seen = nil }()
	return strings.Join(m.seen, "\n\n")
}

// promptly is how long after the client's answer the member is done, but for a busy machine.
const promptly = 5 * time.Millisecond

// ask sends bytes on a new connection, and behind them a last request that shows whether the connection is kept. It returns what the
// client got, and the member until settle later.
func (d *doors) ask(t *testing.T, addr, bytes string, methods []string, settle time.Duration) (client, member string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	go io.WriteString(c, bytes+"GET /last HTTP/1.1\r\nHost: "+site+"\r\nConnection: close\r\n\r\n")
	in := bufio.NewReader(c)
	for i := 0; ; {
		method := "GET"
		if i < len(methods) {
			method = methods[i]
		}
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				client += "silence\n"
			}
			break
		}
		if resp.StatusCode >= 200 {
			i++
		}
		client += told(resp) + "\n\n"
	}
	time.Sleep(settle) // for what the member should not get
	return client, d.member.taken()
}

// told is a response as text, but for the time it was made and what a refusal says in words.
func told(resp *http.Response) string {
	var lines []string
	for name, values := range resp.Header {
		for _, value := range values {
			if name == "Content-Length" && resp.Request.Method != "HEAD" {
				continue // bodies are compared decoded
			}
			if name == "Date" {
				value = ""
			}
			lines = append(lines, name+": "+value)
		}
	}
	slices.Sort(lines)
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode == 400 && resp.Header.Get("Server") == "" {
		body = nil // net/http says what it thinks
	}
	text := fmt.Sprintf("%s\n%s\n%q", resp.Status, strings.Join(lines, "\n"), body)
	if err != nil { // after how many bytes depends on the moment
		return fmt.Sprintf("%s\n%s\ncut", resp.Status, strings.Join(lines, "\n"))
	}
	return text + fmt.Sprintf(" trailers %q", resp.Trailer)
}
