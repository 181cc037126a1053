//go:build linux && (amd64 || arm64)

package lane

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
)

// guest is a client's connection in a loop, with its machine.
type guest struct {
	machine turn
	socket  socket
	timer   timer
	place   int  // in the loop's guests
	counted bool // by its client's address
	queued  bool // in the loop's todo
	stop    context.CancelFunc
	cable   *Cable // what it came by, nil where the loop has accepted it
	tls     *tls.Conn
}

// welcome makes a socket the guest of a loop. It runs on the loop's goroutine.
func (l *loop) welcome(g *guest, listener *Listener, remote netip.AddrPort) {
	g.machine = turn{
		listener: listener, engine: g, stock: &l.stock, client: g.client(), remote: remote,
		secure: g.tls != nil,
	}
	if g.tls != nil {
		g.machine.sni, g.machine.origin = g.tls.ConnectionState().ServerName, g.tls
	}
	g.socket.guest, g.timer.of = g, g
	g.machine.in.Reset(g.machine.client)
	if err := l.add(&g.socket, both); err != nil {
		g.socket.loop = l
		listener.clients.leave(remote.Addr(), g.counted)
		sysClose(g.socket.fd)
		if g.cable != nil {
			g.cable.ended()
		}
		return
	}
	g.place = len(l.guests)
	l.guests = append(l.guests, g)
	l.number.Store(int64(len(l.guests)))
	// What a wrapper has read ahead nobody else will tell of. Of what is in the socket epoll tells, and a request seldom comes as soon as
	// its connection: trying would be a system call for nothing.
	g.socket.readable = g.cable != nil
	g.run()
}

func (g *guest) client() client {
	if g.tls != nil {
		return &shroud{socket: &g.socket, tls: g.tls}
	}
	return &g.socket
}

// run runs the machine.
func (g *guest) run() { g.machine.run() }

// hungUp says that the client's connection is broken in both directions. Where a request is waited for, reading tells as well, after
// what there is to be read.
func (g *guest) hungUp() {
	switch g.machine.state {
	case atHead, lingering, over:
		return
	}
	g.gone()
}

func (g *guest) gone() {
	g.machine.gone = true
	g.cancel()
}

// cancel ends what a goroutine does for the machine.
func (g *guest) cancel() {
	if g.stop != nil {
		g.stop()
	}
}

// fails says that a socket takes no more.
func (g *guest) fails(s *socket) {
	if s == &g.socket {
		g.gone()
		return
	}
	s.forget()
	s.readable = true // reading tells why, or brings an answer that came before
}

// expired is called when a limit of one of the sockets may be over. It reports whether one is for which the machine waits.
func (g *guest) expired() (late bool) {
	g.timer.due = 0
	client, member := g.awaits()
	for _, s := range [...]*socket{client, member} {
		switch l := g.socket.loop; {
		case s == nil:
		case s.due > int64(l.clock.Sub(l.wheel.start)):
			s.limit(l.clock, time.Duration(s.due)-l.clock.Sub(l.wheel.start))
		case s == client && s.Pending():
			g.gone()
			late = true
		default:
			s.late, late = true, true
		}
	}
	return late
}

// awaits returns the sockets for which the machine waits, to bring something or to take it.
func (g *guest) awaits() (client, member *socket) {
	x := g.machine.x
	switch g.machine.state {
	case atHead, inBody, ending, lingering:
		return &g.socket, nil
	case awaiting, relaying:
		if g.socket.Pending() {
			return &g.socket, nil
		}
		if c, ok := x.member.conn.(*host); ok {
			member = &c.socket
		}
		if x.uploading() && member != nil && !member.Pending() {
			client = &g.socket
			if g.machine.state == awaiting {
				member = nil // it has all the time it wants while the body comes
			}
		}
	}
	return client, member
}

// The engine of the machine.

func (g *guest) idle(t *turn, to *egress.Target, sure bool) member {
	l := g.socket.loop
	c := l.hosts.take(t.x.job.Member.Meter, to, l.clock, sure)
	if c == nil {
		return member{}
	}
	c.guest, c.late = g, false
	return member{conn: c, in: &c.in, reused: true}
}

func (g *guest) dial(t *turn, to egress.Target) (member, error, bool) {
	l, desk := g.socket.loop, t.x.site.Desk
	c := &host{meter: t.x.job.Member.Meter, addr: to.Addr, table: desk.Table}
	ctx, cancel := context.WithCancel(context.Background())
	g.stop, g.timer.due = cancel, 0
	l.waiting.Go(func() {
		fd, err := dialFD(ctx, desk.Transport, &to)
		cancel()
		if !l.post(func() { g.dialled(c, fd, err) }) && err == nil {
			sysClose(fd)
		}
	})
	return member{}, nil, false
}

// dialFD opens a connection to a member and takes its descriptor.
func dialFD(ctx context.Context, transport *egress.Transport, to *egress.Target) (int, error) {
	c, err := transport.Dial(ctx, to)
	if err != nil {
		return -1, err
	}
	defer c.Close()
	return dupOf(c.TCPConn)
}

// dialled goes on with a connection to a member, on the loop's goroutine.
func (g *guest) dialled(c *host, fd int, err error) {
	g.stop = nil
	if err != nil {
		g.resume(g.machine.dialled(member{}, err))
		return
	}
	c.fd, c.guest = fd, g
	c.in.Reset(&c.socket)
	if err = g.socket.loop.add(&c.socket, both); err != nil {
		sysClose(fd)
		g.resume(g.machine.dialled(member{}, err))
		return
	}
	g.resume(g.machine.dialled(member{conn: c, in: &c.in}, nil))
}

func (g *guest) resume(more bool) {
	if more {
		g.run()
	}
}

func (g *guest) enter(t *turn) bool {
	l, x := g.socket.loop, t.x
	ctx, cancel := context.WithCancel(context.Background())
	g.stop, g.timer.due = cancel, 0
	l.waiting.Go(func() {
		refusal := x.job.Wait(ctx)
		cancel()
		l.post(func() {
			g.stop = nil
			g.resume(t.entered(refusal))
		})
	})
	return false
}

func (g *guest) await(t *turn, now time.Time, d time.Duration) { t.x.member.ExtendRead(now, d) }

// stillWaits implements engine: the loop hears of a client that leaves.
func (g *guest) stillWaits(*turn) bool { return false }

func (g *guest) keep(t *turn, m member, d time.Duration) {
	l, c := g.socket.loop, m.conn.(*host)
	c.expires, c.table = l.clock.Add(d), t.x.site.Desk.Table
	if d <= 0 || c.in.Buffered() > 0 {
		c.Close()
		return
	}
	l.hosts.keep(c)
}

func (g *guest) join(head, piece []byte) []byte {
	buffer := g.socket.loop.buffer[:]
	at := uintptr(unsafe.Pointer(unsafe.SliceData(piece))) - uintptr(unsafe.Pointer(unsafe.SliceData(buffer)))
	if at < uintptr(len(buffer)) && int(at) >= len(head) {
		start := int(at) - len(head)
		copy(buffer[start:], head)
		return buffer[start : int(at)+len(piece)]
	}
	return nil
}

func (g *guest) scratch() []byte { return g.socket.loop.buffer[headroom:] }

func (g *guest) intake() []byte { return g.socket.loop.requests[:] }

func (g *guest) upload(t *turn) (uploaded, *dispatch.Refusal) { return t.x.pump(t, quota) }

func (g *guest) endUpload(*turn) {}

func (g *guest) leave(t *turn) {
	if g.socket.fd >= 0 {
		t.client.Close()
	}
	g.depart()
	if g.cable != nil {
		g.cable.ended()
		return
	}
	if l := g.socket.loop; !g.queued && len(l.spare) < spareGuests {
		l.spare = append(l.spare, g)
	}
}

// depart takes the guest out of the loop.
func (g *guest) depart() {
	l := g.socket.loop
	l.wheel.remove(&g.timer)
	end := len(l.guests) - 1
	last := l.guests[end]
	l.guests[g.place], last.place = last, g.place
	l.guests[end] = nil
	l.guests = l.guests[:end]
	l.number.Store(int64(end))
	g.machine.listener.clients.leave(g.machine.remote.Addr(), g.counted)
}

// each yields the loop's guests, any of which may leave when it is its turn.
func (l *loop) each(yield func(*guest) bool) {
	for i := len(l.guests) - 1; i >= 0; i-- {
		if i < len(l.guests) && !yield(l.guests[i]) {
			return
		}
	}
}

// spareGuests is how many guests that have left are kept for others, which a loop that accepts and closes all the time would otherwise
// leave to the garbage collector.
const spareGuests = 256

// spareGuest returns the memory for a guest. Nothing but the stack of the machine that has just come to its end may know it.
func (l *loop) spareGuest() *guest {
	n := len(l.spare)
	if n == 0 {
		return new(guest)
	}
	g := l.spare[n-1]
	l.spare = l.spare[:n-1]
	return g
}

// release implements engine: the descriptor goes back to Go's poller.
func (g *guest) release(*turn) net.Conn {
	fd, l := g.socket.fd, g.socket.loop
	l.forget(&g.socket)
	// Closing it would not be enough: the connection goes on under another descriptor.
	_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, fd, nil)
	g.socket.fd = -1
	g.depart()
	file := os.NewFile(uintptr(fd), "tcp")
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		if g.cable != nil {
			g.cable.ended()
		}
		return nil
	}
	if g.cable == nil {
		return c
	}
	g.cable.attach(c.(*net.TCPConn))
	if g.tls == nil {
		return g.cable.Conn
	}
	return g.tls
}

func (g *guest) yield(*turn) {
	if !g.queued {
		g.queued = true
		g.socket.loop.todo = append(g.socket.loop.todo, g)
	}
}

func (g *guest) now() time.Time { return g.socket.loop.clock }

var (
	_ engine  = (*guest)(nil)
	_ client  = (*socket)(nil)
	_ splicer = (*socket)(nil)
)
