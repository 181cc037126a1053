//go:build linux && (amd64 || arm64)

package lane

import (
	"context"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/fairlead/fairlead/proxy/direct"
	"github.com/fairlead/fairlead/proxy/pool"
)

// loop serves its connections with one goroutine. It is not locked to a thread: whenever Go preempts it, which it does every 10 ms, that
// would cost waking another thread and being woken by it.
type loop struct {
	all     []*loop // of the process
	epoll   int
	event   int       // an eventfd, by which others wake it
	sockets []*socket // by descriptor
	turns   uint32
	clock   time.Time
	events  int // of the present turn
	wheel   wheel
	hosts   hosts
	guests  []*guest // of all listeners
	spare   []*guest // that have left, for others
	stock   stock
	number  atomic.Int64 // of guests, for the other loops
	todo    []*guest     // to be run again after what else is to be done
	pipes   []*pipe
	sweep   timer                          // of hosts
	swept   map[*pool.Table]*pool.Snapshot // what they were held against last
	resting []*accepting
	breath  timer // of those
	// buffer is what members' responses are read into; heads are written in front of their bodies.
	buffer [headroom + 64<<10]byte
	// requests is what clients' requests are read into.
	requests [16 << 10]byte

	mu      sync.Mutex
	inbox   []func() // what others have for it, to be run by its goroutine
	ended   bool
	waiting sync.WaitGroup // goroutines that dial or wait for a place
}

// headroom is the room in front of what is read, for a head longer than the one it replaces.
const headroom = 4 << 10

// spin is how long a loop waits without telling Go's scheduler, before it does. At partial load the next event comes within it, and
// telling the scheduler would cost more than serving a request.
const spin = 5 * time.Millisecond

// NewLoops makes n loops, which serve nothing before Run.
func NewLoops(n int) (*Loops, error) {
	ls := &Loops{loops: make([]*loop, n)}
	for i := range ls.loops {
		l := &loop{all: ls.loops, clock: time.Now(), hosts: hosts{}, swept: map[*pool.Table]*pool.Snapshot{}}
		ls.loops[i] = l
		if err := l.open(); err != nil {
			ls.close()
			return nil, err
		}
	}
	return ls, nil
}

func (l *loop) open() (err error) {
	l.wheel.start = l.clock
	l.epoll, l.event = -1, -1
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if l.event, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, l.event, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(l.event)}))
}

func (ls *Loops) close() {
	for _, l := range ls.loops {
		if l == nil {
			continue
		}
		for _, fd := range []int{l.epoll, l.event} {
			if fd >= 0 {
				unix.Close(fd)
			}
		}
	}
}

func (ls *Loops) run(ctx context.Context) error {
	// Loops hold their processors, so others need some of their own: Consul's watches, health checks, garbage collection.
	if spare := len(ls.loops) + 2; runtime.GOMAXPROCS(0) < spare {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(spare))
	}
	var group errgroup.Group
	for _, l := range ls.loops {
		group.Go(func() error { return l.run(ctx) })
	}
	err := group.Wait()
	ls.close()
	return err
}

// run serves until ctx ends.
func (l *loop) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { l.post(func() {}) })
	defer stop()
	events := make([]unix.EpollEvent, 256)
	l.wheel.set(&l.sweep, l.clock, hostSweep)
	for ctx.Err() == nil {
		n := l.wait(events)
		l.clock, l.events = time.Now(), n
		for i := range events[:n] {
			l.dispatch(&events[i])
		}
		l.again()
		l.expire()
	}
	l.end()
	return ctx.Err()
}

// wait returns the events of the moment, or waits for some.
func (l *loop) wait(events []unix.EpollEvent) int {
	if len(l.todo) > 0 {
		return max(0, sysPoll(l.epoll, events, 0))
	}
	most := l.wheel.wait(l.clock)
	for waited := false; !waited; {
		n := sysPoll(l.epoll, events, min(most, spin))
		if n > 0 || most <= spin {
			return max(0, n)
		}
		waited = n == 0
	}
	l.mu.Lock()
	if len(l.inbox) > 0 {
		l.mu.Unlock()
		l.deliver()
		return 0
	}
	l.mu.Unlock()
	n, err := unix.EpollWait(l.epoll, events, int((most-spin)/time.Millisecond)+1)
	if err != nil {
		return 0
	}
	return n
}

// dispatch runs the machine that an event is about.
func (l *loop) dispatch(e *unix.EpollEvent) {
	if int(e.Fd) == l.event {
		l.deliver()
		return
	}
	s := l.sockets[e.Fd]
	if s == nil || s.turn != uint32(e.Pad) {
		return // of one that was closed
	}
	if e.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.readable = true
	}
	if e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.ended = true
	}
	g := s.guest
	switch {
	case s.accepts != nil:
		s.accepts.accept(l)
	case s.kept != nil:
		// What the event is about may have been read before the connection was kept.
		if s.readable && (s.ended || !direct.Silent(uintptr(s.fd))) {
			l.hosts.lost(s.kept)
		} else {
			s.readable = false
		}
	case g == nil:
	default:
		if e.Events&unix.EPOLLOUT != 0 && s.Pending() && s.flush() != nil {
			g.fails(s)
		}
		if e.Events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 && s == &g.socket {
			g.hungUp()
		}
		g.run()
	}
}

// again runs the machines that had let others go first.
func (l *loop) again() {
	todo := l.todo
	if len(todo) == 0 {
		return
	}
	l.todo = nil
	for _, g := range todo {
		g.queued = false
		g.run()
	}
}

// expire runs the machines whose time is over.
func (l *loop) expire() {
	for t := l.wheel.turn(l.clock); t != nil; t = l.wheel.turn(l.clock) {
		switch {
		case t == &l.sweep:
			l.hosts.sweep(l)
			l.wheel.set(t, l.clock, hostSweep)
		case t == &l.breath:
			l.rested()
		case t.of.expired():
			t.of.run()
		}
	}
}

// add makes the loop tell of a socket's events.
func (l *loop) add(s *socket, events uint32) error {
	for s.fd >= len(l.sockets) {
		l.sockets = append(l.sockets, make([]*socket, 1024)...)
	}
	l.turns++
	s.turn, s.loop = l.turns, l
	l.sockets[s.fd] = s
	e := unix.EpollEvent{Events: events, Fd: int32(s.fd), Pad: int32(s.turn)}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, s.fd, &e); err != nil {
		l.sockets[s.fd] = nil
		return os.NewSyscallError("epoll_ctl", err)
	}
	return nil
}

// both are the events of a connection: it tells of everything new once.
const both = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | 1<<31 // EPOLLET

// forget takes a socket out of the loop's table. Closing it takes it out of epoll.
func (l *loop) forget(s *socket) {
	if l.sockets[s.fd] == s {
		l.sockets[s.fd] = nil
	}
}

// post has f run by the loop's goroutine. It reports false when the loop has ended.
func (l *loop) post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.inbox = append(l.inbox, f)
	if len(l.inbox) == 1 {
		var one = [8]byte{1}
		_, _ = unix.Write(l.event, one[:]) // fails only where it is awake already
	}
	return true
}

// deliver runs what was posted.
func (l *loop) deliver() {
	var count [8]byte
	_, _ = unix.Read(l.event, count[:])
	l.mu.Lock()
	inbox := l.inbox
	l.inbox = nil
	l.mu.Unlock()
	for _, f := range inbox {
		f()
	}
}

// end closes everything.
func (l *loop) end() {
	for g := range l.each {
		g.machine.gone = true
		g.cancel()
		g.run()
	}
	l.waiting.Wait() // they post what they have, which closes the rest
	l.deliver()
	for g := range l.each {
		g.machine.gone = true
		g.run()
	}
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.deliver()
	for g := range l.each { // of what was posted last
		g.machine.gone = true
		g.run()
	}
	l.hosts.closeAll()
	for _, p := range l.pipes {
		p.close()
	}
	l.pipes = nil
}
