package lane

import (
	"context"
	"net"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"github.com/caddyserver/caddy/v2"

	"github.com/fairlead/fairlead/plugins/network"
	door "github.com/fairlead/fairlead/proxy/lane"
)

// loops are those of the process, which run as long as it does: connections stay in them whatever configuration comes.
var loops = sync.OnceValues(func() (*door.Loops, error) {
	ls, err := door.NewLoops(runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	go ls.Run(context.Background()) // returns with the process
	return ls, nil
})

// startLoops returns the process's loops, nil where they cannot be had.
func (w *Wrapper) startLoops() *door.Loops {
	ls, err := loops()
	if err != nil {
		w.log.Warn("the lane's loops do not start: its portable engine serves", "error", err)
		return nil
	}
	return ls
}

// acceptByLoops lets the loops accept in the place of l, or ends that where l is nil or does without them. What has to be waited for is
// done beside: a loop may be about to hand a connection over, for which it wants the group. The caller holds the group.
func (g *group) acceptByLoops(l *listener) {
	socket, ok := network.Socket(nil), false
	if l != nil && l.wrapper.loops != nil {
		socket, ok = socketOf(l.Listener) // in clear, with nothing before it
	}
	if !ok {
		if g.stop != nil {
			go g.stop()
			g.stop = nil
		}
		return
	}
	fd, err := socket.Lend()
	if err != nil {
		l.wrapper.fall(err)
		return
	}
	if g.stop != nil {
		syscall.Close(fd) // they accept from the same socket already
		return
	}
	g.stop = l.wrapper.accept(fd, socket, g.lane)
}

// accept makes the loops accept, and returns what ends that. It owns fd.
func (w *Wrapper) accept(fd int, socket network.Socket, lane *door.Listener) (stop func()) {
	ready := make(chan func(), 1)
	go func() {
		end, err := w.loops.Listen(fd, lane)
		if err != nil {
			w.fall(err)
			socket.Reclaim()
			end = func() {}
		}
		ready <- end
	}()
	return func() {
		(<-ready)()
		syscall.Close(fd)
	}
}

// fall leaves the server to the portable engine.
func (w *Wrapper) fall(why error) {
	w.fallen.Store(true)
	w.log.Warn("the lane's loops cannot accept: its portable engine serves", "server", w.server.Name(), "error", why)
}

// own makes a connection that a loop has accepted one of the newest listener's.
func (g *group) own(c *net.TCPConn) net.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.newest != nil {
		if socket, ok := socketOf(g.newest.Listener); ok {
			return socket.Own(c)
		}
	}
	return c
}

// Cabled returns the wrappers that the lane stands behind with one more right before the place of TLS, if the loops are to have
// connections by TLS: it puts a cable under each, by which they take it over.
func (w *Wrapper) Cabled(before []caddy.ListenerWrapper) []caddy.ListenerWrapper {
	if w.loops == nil {
		return before
	}
	place := slices.IndexFunc(before, func(w caddy.ListenerWrapper) bool { return moduleName(w) == "tls" })
	if place < 0 {
		return before
	}
	return slices.Insert(slices.Clone(before), place, caddy.ListenerWrapper(cables{}))
}

type cables struct{}

// WrapListener implements caddy.ListenerWrapper. In clear, where nothing stands before the lane, there is nothing to put a cable under:
// the loops accept themselves.
func (cables) WrapListener(l net.Listener) net.Listener { return &cabled{l} }

// cabled is a listener whose connections have cables.
type cabled struct{ net.Listener }

// Accept implements net.Listener.
func (l *cabled) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &door.Cable{Conn: c}, nil
}

// socketOf returns the listener of the network that l is, below the cables, if nothing else stands between.
func socketOf(l net.Listener) (network.Socket, bool) {
	if c, ok := l.(*cabled); ok {
		l = c.Listener
	}
	socket, ok := l.(network.Socket)
	return socket, ok
}

var _ caddy.ListenerWrapper = cables{}
