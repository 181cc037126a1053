package lane

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/pool"
)

// echo is a connection in memory: it delivers what it is told to, and drops what is sent.
type echo struct {
	text []byte
	left []byte
	sent int
}

func (e *echo) Read(p []byte) (int, error) {
	if len(e.left) == 0 {
		return 0, errAgain
	}
	n := copy(p, e.left)
	e.left = e.left[n:]
	return n, nil
}
func (e *echo) Send(p []byte) error                  { e.sent += len(p); return nil }
func (e *echo) Pending() bool                        { return false }
func (e *echo) ExtendRead(time.Time, time.Duration)  {}
func (e *echo) ExtendWrite(time.Time, time.Duration) {}
func (e *echo) Close() error                         { return nil }
func (e *echo) Abort()                               {}
func (e *echo) CloseWrite() error                    { return nil }

// memory is an engine without sockets.
type memory struct {
	member *echo
	in     http1.Reader
	buffer [64 << 10]byte
	clock  time.Time
}

func (m *memory) idle(*turn, *egress.Target, bool) member {
	m.member.left = m.member.text
	m.in.Reset(m.member)
	return member{conn: m.member, in: &m.in, reused: true}
}
func (m *memory) dial(*turn, egress.Target) (member, error, bool) { return member{}, io.EOF, true }
func (m *memory) enter(*turn) bool                                { return false }
func (m *memory) keep(*turn, member, time.Duration)               {}
func (m *memory) await(*turn, time.Time, time.Duration)           {}
func (m *memory) stillWaits(*turn) bool                           { return false }
func (m *memory) join(head, piece []byte) []byte                  { return append(head, piece...) }
func (m *memory) scratch() []byte                                 { return m.buffer[:] }
func (m *memory) intake() []byte                                  { return nil }
func (m *memory) upload(*turn) (uploaded, *dispatch.Refusal)      { return uploadWaits, nil }
func (m *memory) endUpload(*turn)                                 {}
func (m *memory) leave(*turn)                                     {}
func (m *memory) release(*turn) net.Conn                          { return nil }
func (m *memory) yield(*turn)                                     {}
func (m *memory) now() time.Time                                  { return m.clock }

// BenchmarkMachine is the machine's own share of a request: what an engine and the kernel add to it is not in it.
func BenchmarkMachine(b *testing.B) {
	const browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: text/html,application/xhtml+xml\r\n" +
		"Accept-Language: en-GB,en;q=0.9\r\nAccept-Encoding: gzip, deflate, br\r\nCache-Control: no-cache\r\nPragma: no-cache\r\n" +
		"Referer: https://shop.example.com/\r\nCookie: a=b; c=d\r\nSec-Fetch-Mode: navigate\r\nUpgrade-Insecure-Requests: 1\r\n"
	facts := discovery.NoFacts("live")
	facts.Ready = true
	for i := range 10_000 {
		name := fmt.Sprintf("shop%d.example.com", i)
		s := &discovery.Service{Name: name}
		for k := range 3 {
			id := fmt.Sprintf("shop%d-%d", i, k)
			s.Instances = append(s.Instances, discovery.Instance{
				ID: discovery.InstanceID("live", "web", id), Cluster: "live", Node: "web", Service: name, ServiceID: id, Address: "127.0.0.1", Port: 80,
			})
		}
		facts.Services[name] = s
	}
	snapshot, _ := pool.Build(new(pool.Snapshot), pool.Input{
		Now: time.Now(), Meters: pool.NewMeters(), Clusters: []pool.ClusterInput{{Config: pool.ClusterConfig{Name: "live"}, Facts: facts}},
	})
	table := pool.NewTable()
	table.Store(snapshot)
	for _, c := range []struct{ name, fields string }{{"plain", ""}, {"browser", browser}} {
		b.Run(c.name, func(b *testing.B) {
			client := &echo{text: []byte("GET /a/b?c=d HTTP/1.1\r\nHost: shop77.example.com\r\n" + c.fields + "\r\n")}
			m := &memory{clock: time.Now(), member: &echo{text: []byte("HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Thu, 26 Nov 2026 23:48:16 GMT\r\n" +
				"Content-Type: text/plain\r\nContent-Length: 12\r\nConnection: keep-alive\r\nETag: \"6b08c53e-80\"\r\n\r\nhello world\n")}}
			l := NewListener(&Site{
				Desk:   &dispatch.Desk{Table: table, Transport: egress.New(egress.Options{})},
				Serves: func(string, string) bool { return true }, Server: "Caddy",
			})
			t := turn{listener: l, engine: m, client: client, remote: netip.MustParseAddrPort("192.0.2.1:1234")}
			t.in.Reset(client)
			b.ReportAllocs()
			for b.Loop() {
				client.left = client.text
				t.run()
			}
			if m.member.sent == 0 || client.sent == 0 || t.state != atHead {
				b.Fatalf("sent %d and %d bytes, state %d", m.member.sent, client.sent, t.state)
			}
		})
	}
}
