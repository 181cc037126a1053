package lane

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/pool"
)

// script is an engine whose connections bring what a test says, in pieces of any size: before each of them comes errAgain. It knows no
// time: what has come to its end and is not said to be closed is late.
type script struct {
	t       *turn
	client  *scriptedConn
	members []*scriptedConn
	answer  string // of every member
	split   []byte // the sizes of the pieces, used in turn
	at      int
	closes  bool // members close behind their answer
	over    bool
	yielded bool
	calls   int
	lent    [2][600]byte // to the machine while it runs, small enough to be outgrown
}

// scriptedConn is one connection of a script.
type scriptedConn struct {
	s        *script
	unread   string
	got      strings.Builder
	offered  bool // the next piece may be read
	closes   bool // it ends behind what is unread, and is silent otherwise
	late     bool
	ended    bool
	aborted  bool
	shut     bool
	isMember bool
	whole    bool
}

func (c *scriptedConn) Read(p []byte) (int, error) {
	if c.isMember && !c.asked() {
		return 0, errAgain
	}
	switch {
	case c.unread == "" && c.closes:
		return 0, io.EOF
	case c.unread == "" && c.late:
		return 0, os.ErrDeadlineExceeded
	case c.unread == "" || !c.offered:
		return 0, errAgain
	}
	c.offered = false
	n := copy(p[:min(len(p), c.s.size())], c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

// asked reports whether a member has got its whole request, before which it says nothing.
func (c *scriptedConn) asked() bool {
	if !c.whole {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(c.got.String())))
		if err != nil {
			return c.late
		}
		_, err = io.Copy(io.Discard, r.Body)
		c.whole = err == nil || c.late
	}
	return c.whole
}

// size is that of the next piece.
func (s *script) size() int {
	if len(s.split) == 0 {
		return 1 << 20
	}
	s.at++
	return int(s.split[s.at%len(s.split)]) + 1
}

func (c *scriptedConn) Send(p []byte) error                  { c.got.Write(p); return nil }
func (c *scriptedConn) Pending() bool                        { return false }
func (c *scriptedConn) ExtendRead(time.Time, time.Duration)  {}
func (c *scriptedConn) ExtendWrite(time.Time, time.Duration) {}
func (c *scriptedConn) Close() error                         { c.ended = true; return nil }
func (c *scriptedConn) Abort()                               { c.aborted, c.ended = true, true }
func (c *scriptedConn) CloseWrite() error                    { c.shut = true; return nil }

func (s *script) idle(*turn, *egress.Target, bool) member { return member{} }

func (s *script) dial(*turn, egress.Target) (member, error, bool) {
	c := &scriptedConn{s: s, unread: s.answer, closes: s.closes, isMember: true}
	s.members = append(s.members, c)
	in := new(http1.Reader)
	in.Reset(c)
	return member{conn: c, in: in}, nil, true
}

func (s *script) enter(*turn) bool                             { panic("there is no limit") }
func (s *script) keep(_ *turn, m member, _ time.Duration)      { m.Close() }
func (s *script) await(*turn, time.Time, time.Duration)        {}
func (s *script) stillWaits(*turn) bool                        { return false }
func (s *script) join(head, piece []byte) []byte               { return nil }
func (s *script) scratch() []byte                              { return s.lent[0][:] }
func (s *script) intake() []byte                               { return s.lent[1][:] }
func (s *script) upload(t *turn) (uploaded, *dispatch.Refusal) { return t.x.pump(t, quota) }
func (s *script) endUpload(*turn)                              {}
func (s *script) leave(*turn)                                  { s.over = true; s.client.ended = true }
func (s *script) release(*turn) net.Conn                       { s.over = true; return nil }
func (s *script) yield(*turn)                                  { s.yielded = true }
func (s *script) now() time.Time                               { return scriptStart.Add(time.Duration(s.calls) * time.Microsecond) }

var scriptStart = time.Unix(1_700_000_000, 0)

// scriptTransport is where places are queued for; its connections are not used.
var scriptTransport = egress.New(egress.Options{})

// play runs a machine over what a client says until nothing moves any more, and returns what the client and the members got.
func play(table *pool.Table, request, answer string, closes bool, split []byte) *script {
	s := &script{answer: answer, closes: closes, split: split}
	s.client = &scriptedConn{s: s, unread: request}
	l := NewListener(&Site{
		Desk:     &dispatch.Desk{Table: table, Transport: scriptTransport},
		Serves:   func(host, _ string) bool { return strings.HasPrefix(host, "shop.example.com") },
		HandOver: func(net.Conn, []byte, func()) {},
	})
	s.t = &turn{listener: l, engine: s, client: s.client, remote: netip.MustParseAddrPort("127.0.0.1:1")}
	s.t.in.Reset(s.client)
	for quiet := 0; quiet < 3 && s.t.state != over; {
		before := s.moved()
		for _, c := range append(s.members, s.client) {
			c.offered = true
		}
		s.yielded = false
		state := s.t.state
		s.t.run()
		for i := range s.lent { // what was borrowed is the next machine's
			for k := range s.lent[i] {
				s.lent[i][k] = '!'
			}
		}
		after := s.moved()
		if s.calls++; before == after && state == s.t.state && !s.yielded {
			quiet++
			for _, c := range append(s.members, s.client) {
				c.late = quiet == 2 // nothing comes any more
			}
		} else {
			quiet = 0
		}
	}
	return s
}

// moved counts all bytes that were read or sent.
func (s *script) moved() (n int) {
	for _, c := range append(s.members, s.client) {
		n += c.got.Len() - len(c.unread)
	}
	return n
}

// scriptTable is a table of one member.
func scriptTable(t testing.TB, settings pool.Settings) *pool.Table {
	t.Helper()
	facts := discovery.NoFacts("live")
	facts.Ready = true
	facts.Services["shop.example.com"] = &discovery.Service{Name: "shop.example.com", Instances: []discovery.Instance{{
		ID: discovery.InstanceID("live", "web", "1"), Cluster: "live", Node: "web", Service: "shop.example.com", ServiceID: "1",
		Address: "127.0.0.1", Port: 80,
	}}}
	next, _ := pool.Build(new(pool.Snapshot), pool.Input{
		Now: time.Now(), Meters: pool.NewMeters(),
		Clusters: []pool.ClusterInput{{Config: pool.ClusterConfig{Name: "live", Defaults: settings}, Facts: facts}},
	})
	table := pool.NewTable()
	table.Store(next)
	return table
}
