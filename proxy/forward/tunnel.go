package forward

import (
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
)

// leg is one side of a tunnel.
type leg interface {
	io.ReadWriteCloser
}

// tunnel carries bytes both ways until both sides have ended. An end is passed on as such, since protocols may go on in the other
// direction. While nothing moves it holds no buffer for the sides that are bare sockets.
type tunnel struct {
	client  leg
	member  *net.TCPConn
	silence time.Duration

	sent, received atomic.Int64 // bytes to and from the member
}

// A tunnel's silence is looked at a few times within the time it may last. Since what the kernel has moved is known some time later
// only, one more look is needed to be sure.
const (
	looks      = 4
	quietLooks = looks + 1
)

// run carries what is buffered already and then everything else. The tunnel is closed once nothing has moved for the time of silence,
// or up to half that time later.
func (t *tunnel) run(fromClient, fromMember []byte) {
	quiet, last := 0, int64(0)
	var watch *time.Timer
	var mu sync.Mutex // until watch is set
	mu.Lock()
	watch = time.AfterFunc(t.silence/looks, func() {
		mu.Lock()
		defer mu.Unlock()
		if moved := t.sent.Load() + t.received.Load(); moved != last {
			last, quiet = moved, 0
		} else if quiet++; quiet == quietLooks {
			t.close()
			return
		}
		watch.Reset(t.silence / looks)
	})
	mu.Unlock()
	defer watch.Stop()
	var there sync.WaitGroup
	there.Go(func() { t.pump(t.member, t.client, fromClient, &t.sent) })
	t.pump(t.client, t.member, fromMember, &t.received)
	there.Wait()
}

func (t *tunnel) close() {
	t.client.Close()
	t.member.Close()
}

// pump carries one direction.
func (t *tunnel) pump(to, from leg, first []byte, moved *atomic.Int64) {
	n, err := to.Write(first)
	moved.Add(int64(n))
	if err == nil {
		err = t.carry(to, from, moved)
	}
	half, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		t.close()
	}
}

func (t *tunnel) carry(to, from leg, moved *atomic.Int64) error {
	source, bare := from.(*net.TCPConn)
	if !bare {
		return copyBytes(to, from, moved)
	}
	if sink, ok := to.(*net.TCPConn); ok {
		return splice(sink, source, min(burst, t.silence/(2*looks)), moved)
	}
	return copyWhenReady(to, source, moved)
}

// burst is how long the kernel may move bytes by itself: then they are counted, and its pipe is given back if the socket is silent.
const burst = time.Second

// splice lets the kernel move the bytes between two sockets.
func splice(to, from *net.TCPConn, burst time.Duration, moved *atomic.Int64) error {
	for {
		if err := from.SetReadDeadline(time.Time{}); err != nil {
			return err
		}
		if err := egress.AwaitBytes(from); err != nil {
			return err
		}
		if err := from.SetReadDeadline(time.Now().Add(burst)); err != nil {
			return err
		}
		n, err := io.Copy(to, from)
		moved.Add(n)
		if err == nil {
			return nil
		}
		if !dispatch.IsTimeout(err) {
			return err
		}
	}
}

// copyWhenReady reads a socket once it has something, and holds a buffer for that moment only.
func copyWhenReady(to io.Writer, from *net.TCPConn, moved *atomic.Int64) error {
	for {
		if err := egress.AwaitBytes(from); err != nil {
			return err
		}
		f := frames.Get().(*frame)
		n, err := from.Read(f[:])
		if n > 0 {
			_, werr := to.Write(f[:n])
			moved.Add(int64(n))
			if werr != nil {
				err = werr
			}
		}
		frames.Put(f)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// narrow is the buffer of a side that can only be read by waiting with a buffer in hand.
const narrow = 4 << 10

func copyBytes(to io.Writer, from io.Reader, moved *atomic.Int64) error {
	buf := make([]byte, narrow)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			_, werr := to.Write(buf[:n])
			moved.Add(int64(n))
			if werr != nil {
				return werr
			}
			if n == len(buf) && len(buf) < frameData {
				buf = make([]byte, frameData) // it is a busy one
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// stream is the client's side of a tunnel in one stream of HTTP/2 or HTTP/3.
type stream struct {
	body    io.Reader
	w       http.ResponseWriter
	control *http.ResponseController
	once    sync.Once
}

func (s *stream) Read(p []byte) (int, error) { return s.body.Read(p) }

func (s *stream) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := s.w.Write(p)
	if err == nil {
		err = s.control.Flush()
	}
	return n, err
}

// CloseWrite ends the reading too: the end of a response is the end of its handler.
func (s *stream) CloseWrite() error { return s.control.SetReadDeadline(longAgo) }

// Close ends pending and later reads and writes.
func (s *stream) Close() error {
	s.once.Do(func() {
		_ = s.control.SetReadDeadline(longAgo)
		_ = s.control.SetWriteDeadline(longAgo)
	})
	return nil
}
