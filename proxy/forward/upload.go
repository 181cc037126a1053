package forward

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/message"
)

// upload sends a request body of unknown or great length while the response may already come. It owns the writing side of the
// member's connection.
type upload struct {
	r      *http.Request
	c      *egress.Conn
	client *client
	out    *Outcome
	stall  time.Duration
	reply  time.Duration
	done   chan struct{}
	spilt  bool // the member stopped reading; to be read after done

	mu       sync.Mutex
	answered bool  // the response has begun, so its reader minds the limits of reading
	unread   error // why the client's body could not be read
	read     bool  // all of it was read, so that only its last bytes are on their way
	ended    bool  // nothing is sent any more, though done may be yet to be closed
	whole    bool
}

func newUpload(x *exchange, c *egress.Conn) *upload {
	if x.r.ProtoMajor == 1 {
		// Without this net/http reads the rest of the body itself before it writes a response.
		_ = http.NewResponseController(x.w).EnableFullDuplex()
	}
	return &upload{
		r: x.r, c: c, client: clientOf(x.w, x.r), out: x.out,
		stall: x.Pool.Spec.StallTimeout, reply: x.Pool.Spec.ResponseTimeout, done: make(chan struct{}),
	}
}

const (
	frameHead = 10
	frameData = 32 << 10
	frameTail = 2
)

// frame is a buffer with room for a chunk's first line before the data and its end behind it.
type frame [frameHead + frameData + frameTail]byte

var frames = sync.Pool{New: func() any { return new(frame) }}

// run sends the body. The member has all the time it wants to answer while the body moves, and ResponseTimeout after its end.
func (u *upload) run() {
	defer close(u.done)
	f := frames.Get().(*frame)
	defer frames.Put(f)
	err := u.copy(f)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended, u.whole = true, err == nil
	switch {
	case u.unread != nil:
		u.c.Abort()
	case !u.answered: // also where the member stopped reading: it may have said why
		u.c.SetReadDeadline(time.Now().Add(u.reply))
	}
}

// A body must be as long as it was said to be: what a member is still owed, or got too much, it would take from or for the next request.
// net/http sees to that; quic-go lets a body end before its length, and handlers before us may put another body in its place.
var (
	errShorter = errors.New("shorter than its Content-Length")
	errLonger  = errors.New("longer than its Content-Length")
)

func (u *upload) copy(f *frame) error {
	sized, left := u.r.ContentLength > 0, u.r.ContentLength
	for {
		u.client.readWithin(u.stall)
		n, err := u.r.Body.Read(f[frameHead : frameHead+frameData])
		if left -= int64(n); sized && left < 0 {
			return u.misread(errLonger)
		}
		if n > 0 {
			if u.out != nil {
				u.out.Sent += int64(n)
			}
			if sized && left == 0 {
				u.ends()
			}
			u.c.ExtendWrite(time.Now(), u.stall)
			if _, err := u.c.Write(f.framed(n, sized)); err != nil {
				u.spilt = true
				return err
			}
		}
		switch {
		case err == io.EOF && sized && left > 0:
			return u.misread(errShorter)
		case err == io.EOF:
			u.client.readUnbound()
			u.ends()
			return u.finish(sized)
		case err != nil:
			return u.misread(err)
		}
	}
}

// ends notes that the last bytes are about to be sent: the response may come before the sending is noted.
func (u *upload) ends() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.read = true
}

// misread notes that the client's body could not be read to its end.
func (u *upload) misread(err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.unread = err
	return err
}

// settle is how long an upload is waited for that is about to end.
const settle = 100 * time.Millisecond

// settle waits for the end of an upload that is near.
func (u *upload) settle() {
	select {
	case <-u.done:
	case <-time.After(settle):
	}
}

// failed returns why the client's body could not be read, nil if that is not what went wrong. net/http cancels ctx before it returns
// an error of reading, which is therefore waited for.
func (u *upload) failed(ctx context.Context) error {
	if ctx.Err() != nil {
		u.settle()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.unread
}

// framed returns n bytes of the data as they are sent: bare, or as a chunk.
func (f *frame) framed(n int, sized bool) []byte {
	if sized {
		return f[frameHead : frameHead+n]
	}
	var head [frameHead]byte
	line := http1.AppendChunkHead(head[:0], n)
	start := frameHead - len(line)
	copy(f[start:], line)
	end := frameHead + n + copy(f[frameHead+n:], "\r\n")
	return f[start:end]
}

// finish ends a chunked body with the client's trailers, which net/http knows by now.
func (u *upload) finish(sized bool) error {
	if sized {
		return nil
	}
	end := http1.AppendLastChunk(nil)
	for name, values := range u.r.Trailer {
		if !message.TrailerPasses(name) {
			continue
		}
		for _, value := range values {
			var err error
			if end, err = http1.AppendField(end, name, value); err != nil {
				return err
			}
		}
	}
	_, err := u.c.Write(append(end, "\r\n"...))
	return err
}

// finished reports whether the whole body has been sent, and tells the upload that the response has begun.
func (u *upload) finished() bool {
	u.mu.Lock()
	u.answered = true
	read := u.read
	u.mu.Unlock()
	if read {
		u.settle()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.c.UnboundRead()
	return u.whole
}

// linger is how long what a client goes on sending is taken and dropped after an early response, so that it gets to read it: closing
// a connection with unread bytes resets it, and what the client had not read is lost (RFC 9112 §9.6).
const linger = 500 * time.Millisecond

// drain ends the sending, and reads what the client sends for a while.
func (u *upload) drain() {
	u.c.Abort()
	u.client.endReads(time.Now().Add(linger))
	<-u.done
	if u.spilt {
		_, _ = io.Copy(io.Discard, u.r.Body)
	}
}

// over reports whether the upload has ended. One that was seen whole is over: its connection may be kept, and must not be aborted.
func (u *upload) over() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ended
}

// stop ends the upload if it still runs, and waits for it: the request must not be read once its handler has returned.
func (u *upload) stop() {
	if !u.over() {
		u.c.Abort()
		u.client.endReads(longAgo)
	}
	<-u.done
}
