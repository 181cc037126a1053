package lane

import (
	"math"
	"sync"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
)

// uploader sends a streamed body beside the goroutine that waits for the answer.
type uploader struct {
	c     upstream
	done  chan struct{}
	reply time.Duration

	mu       sync.Mutex
	answered bool // the response has begun, so its reader minds the limits of reading
	ended    bool // nothing is sent any more, though done may be yet to be closed
	state    uploaded
	refusal  *dispatch.Refusal
}

func startUpload(t *turn) *uploader {
	x := t.x
	u := &uploader{c: x.member.conn.(upstream), done: make(chan struct{}), reply: x.job.Pool.Spec.ResponseTimeout}
	u.c.UnboundRead() // the member has all the time it wants while the body moves
	go func() {
		defer close(u.done)
		state, refusal := x.pump(t, math.MaxInt64/2)
		u.mu.Lock()
		defer u.mu.Unlock()
		u.ended, u.state, u.refusal = true, state, refusal
		switch {
		case refusal != nil:
			u.c.Abort()
		case !u.answered: // also where the member stopped reading: it may have said why
			u.c.TCPConn.SetReadDeadline(time.Now().Add(min(u.reply, glance)))
		}
	}()
	return u
}

// settle is how long the end of an upload is waited for whose last bytes are on their way.
const settle = 100 * time.Millisecond

// look tells how the upload stands; answered says that the response has begun.
func (u *uploader) look(x *exchange, answered bool) (uploaded, *dispatch.Refusal) {
	if answered && x.consumed.Load() {
		select {
		case <-u.done:
		case <-time.After(settle):
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answered = u.answered || answered
	return u.state, u.refusal
}

// stop ends the upload if it still runs, and waits for it. One that look told the end of is not aborted: its connection may be kept.
func (u *uploader) stop(t *turn) {
	u.mu.Lock()
	ended := u.ended
	u.mu.Unlock()
	if ended {
		<-u.done
		return
	}
	u.c.Abort()
	t.client.(*blocking).stopReads()
	<-u.done
	t.client.(*blocking).resumeReads()
}
