package lane

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
)

// portable drives one machine with the goroutine that serves its connection.
type portable struct {
	turn
	client blocking
	up     *uploader
	idling idling
	// answerBy is when the wait for an answer ends.
	answerBy time.Time
}

// Serve serves a connection until it has ended or was handed over, by the caller's goroutine. It owns c. A *tls.Conn must have finished
// its handshake.
func (l *Listener) Serve(c net.Conn) {
	p := &portable{client: blocking{Conn: c}}
	p.turn = turn{listener: l, engine: p, client: &p.client, remote: addrPort(c.RemoteAddr()), origin: c, idling: &p.idling}
	if secured, ok := c.(interface{ ConnectionState() tls.ConnectionState }); ok {
		p.secure, p.sni = true, secured.ConnectionState().ServerName
	}
	p.idling.client = &p.client
	p.in.Reset(&p.client)
	site := l.site.Load()
	counted, why := l.clients.enter(&site.Limits, p.remote.Addr())
	if why != "" {
		p.turned(site, why)
		c.Close()
		return
	}
	defer l.clients.leave(p.remote.Addr(), counted)
	l.clients.hold(p)
	defer l.clients.release(p)
	for p.state != over {
		p.run()
	}
}

// addrPort returns the address of a TCP connection's other end, in the form that access lists have; the zero value for another's.
func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	addr := tcp.AddrPort()
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}

// endIdle implements waker: a read that waits for a request ends.
func (p *portable) endIdle() { p.idling.stop() }

// idle implements engine. Nobody watches the kept connections, so the one taken is looked at in any case: one that carries bytes would
// answer the next request with what was not meant for it.
func (p *portable) idle(t *turn, to *egress.Target, _ bool) member {
	c := t.x.site.Desk.Transport.Idle(to, time.Now(), true)
	if c == nil {
		return member{}
	}
	return asMember(c)
}

func asMember(c *egress.Conn) member {
	return member{conn: upstream{c}, in: &c.Reader, reused: c.Reused}
}

func (p *portable) dial(t *turn, to egress.Target) (member, error, bool) {
	c, err := t.x.site.Desk.Transport.Dial(context.Background(), &to)
	if err != nil {
		return member{}, err, true
	}
	return asMember(c), nil, true
}

func (p *portable) enter(t *turn) bool { return t.entered(t.x.job.Wait(context.Background())) }

func (p *portable) keep(t *turn, m member, d time.Duration) {
	t.x.site.Desk.Transport.Put(m.conn.(upstream).Conn, time.Now(), d)
}

// glance is how long a member is waited for until the client is looked at, which may have left meanwhile.
const glance = 3 * time.Second

func (p *portable) await(t *turn, now time.Time, d time.Duration) {
	p.answerBy = now.Add(d)
	t.x.member.ExtendRead(now, min(d, glance))
}

func (p *portable) stillWaits(t *turn) bool {
	now := time.Now()
	left := p.answerBy.Sub(now)
	if left <= 0 {
		return false
	}
	t.gone = hungUp(p.client.Conn)
	t.x.member.ExtendRead(now, min(left, glance))
	return true
}

func (p *portable) join(head, piece []byte) []byte { return nil }

func (p *portable) scratch() []byte { return nil }

func (p *portable) intake() []byte { return nil }

func (p *portable) leave(*turn) { p.client.Conn.Close() }

func (p *portable) release(*turn) net.Conn {
	p.client.Conn.SetDeadline(time.Time{})
	return p.client.Conn
}

func (p *portable) yield(*turn) {}

func (p *portable) now() time.Time { return time.Now() }

func (p *portable) upload(t *turn) (uploaded, *dispatch.Refusal) {
	if p.up == nil {
		p.up = startUpload(t)
	}
	return p.up.look(t.x, t.state == relaying)
}

func (p *portable) endUpload(t *turn) {
	if p.up != nil {
		p.up.stop(t)
		p.up = nil
	}
}

var _ engine = (*portable)(nil)
