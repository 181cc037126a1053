package lane

import (
	"errors"
	"io"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/http1"
)

const (
	// quota is how much of a body is passed on before others have their turn.
	quota = 512 << 10
	// bulk is how much of a body must be left for the kernel to be asked to move it, and patience how much of it makes larger buffers
	// worth their while.
	bulk     = 256 << 10
	patience = 8 << 10
	// joined is how much of a body is copied behind its head rather than sent by a system call of its own.
	joined = 8 << 10
)

// unblamed is an error of moving bytes between two connections that does not tell which of them has failed.
type unblamed struct{ error }

// splicer is a client's connection to which the kernel may move bytes without our seeing them.
type splicer interface {
	// splice moves at most n bytes from a member's connection and returns how many were taken from it. Like Read it waits, or fails with
	// errAgain; what was taken and could not leave is Pending. ok is false if the two connections cannot do that.
	splice(from conn, n int64) (moved int64, err error, ok bool)
}

// relay passes the body of the response on in pieces as they come, so that a client that reads slowly slows the member down.
func (t *turn) relay() bool {
	x := t.x
	if !t.progress() {
		return true
	}
	x.member.in.Lend(t.engine.scratch())
	for moved := 0; ; {
		if t.gone {
			return true
		}
		if t.client.Pending() {
			return false
		}
		if moved >= quota {
			t.engine.yield(t)
			return false
		}
		if left := x.down.Left(); (left >= bulk || x.spliced && left > 0) && len(x.out) == 0 && x.member.in.Buffered() == 0 {
			if n, more := t.splice(left); n >= 0 {
				moved += int(n)
				if !more {
					return t.state != relaying
				}
				continue
			}
		}
		if !x.down.More() {
			if len(x.out) > 0 && x.chunks { // who streams wants to be heard at once
				if !t.flush() {
					return true
				}
				continue
			}
			x.member.ExtendRead(t.engine.now(), x.stall)
		}
		piece, err := x.down.Next()
		switch {
		case err == error(errAgain):
			return t.flushHead()
		case err == io.EOF:
			return t.complete()
		case err != nil:
			return t.broken(err)
		}
		moved += len(piece)
		if !t.pass(piece) {
			return true
		}
		if left := x.down.Left(); left > patience {
			x.member.in.Widen()
		}
	}
}

// pass sends a piece of the body, with the head if that has not been sent.
func (t *turn) pass(piece []byte) bool {
	x := t.x
	x.record.Sent += int64(len(piece))
	if x.chunks {
		x.out = append(append(http1.AppendChunkHead(x.out, len(piece)), piece...), "\r\n"...)
		if len(x.out) < maxKept && x.down.More() {
			return true // the end may go with it
		}
		return t.flush()
	}
	if len(x.out) == 0 {
		return t.sendClient(piece)
	}
	if whole := t.engine.join(x.out, piece); whole != nil {
		x.out = x.out[:0]
		return t.sendClient(whole)
	}
	if len(piece) <= joined {
		x.out = append(x.out, piece...)
		return t.flush()
	}
	return t.flush() && t.sendClient(piece)
}

// flushHead sends the head alone, where its body does not come at once, and waits for more.
func (t *turn) flushHead() bool {
	if len(t.x.out) > 0 && !t.flush() {
		return true
	}
	return false
}

// flush sends what is written for the client, and reports false if the client has gone.
func (t *turn) flush() bool {
	out := t.x.out
	t.x.out = out[:0]
	return t.sendClient(out)
}

func (t *turn) sendClient(p []byte) bool {
	x := t.x
	x.written = true
	t.client.ExtendWrite(t.engine.now(), x.stall)
	if err := t.client.Send(p); err != nil {
		x.record.Problem = "the client stopped reading: " + err.Error()
		t.gone = true
		return false
	}
	return true
}

// splice lets the kernel move the rest of the body. n is negative where it cannot; more tells that there is something to do at once.
func (t *turn) splice(left int64) (n int64, more bool) {
	to, ok := t.client.(splicer)
	if !ok {
		return -1, true
	}
	x, now := t.x, t.engine.now()
	x.member.ExtendRead(now, x.stall)
	t.client.ExtendWrite(now, x.stall)
	n, err, ok := to.splice(x.member.conn, left)
	if !ok {
		return -1, true
	}
	x.written, x.spliced = true, true
	x.down.Skip(n)
	x.record.Sent += n
	switch {
	case err == error(errAgain):
		return n, false
	case err != nil:
		t.broken(err)
		return n, false
	}
	return n, true
}

// complete ends the response with what follows its body.
func (t *turn) complete() bool {
	x := t.x
	if !t.progress() {
		return true
	}
	t.engine.endUpload(t)
	if x.chunks {
		x.out = appendTrailers(x.out, x.down.Trailers())
	}
	if len(x.out) > 0 && !t.flush() {
		return true
	}
	early := x.unread()
	reusable := x.whole && x.down.Ended() && !x.resp.Close && !x.member.Pending()
	if !reusable {
		t.dropMember()
	} else {
		x.member.in.Settle()
		m := x.member
		x.member = member{}
		t.engine.keep(t, m, x.job.Pool.Spec.Keepalive)
	}
	t.last = t.last || early
	t.state = ending
	return true
}

// broken ends a response whose member has not finished it. The client must not take what it got for the whole.
func (t *turn) broken(err error) bool {
	if !t.progress() {
		return true // it was the client's body that came to no end
	}
	reason := "broke its response off: " + err.Error()
	var either unblamed
	switch {
	case errors.As(err, &either):
		return t.cut("moving the body: " + err.Error())
	case dispatch.IsTimeout(err):
		reason = "was silent in the middle of its response"
	}
	t.x.job.BrokenOff(reason)
	if !t.x.written {
		// The head alone was ready: nothing has been sent, and the client can be told properly.
		return t.fail(&dispatch.Refusal{Status: 502, Cause: dispatch.Broken, Reason: t.x.job.Member.Addr + " " + reason})
	}
	return t.cut(reason)
}

// cut ends the connection in the middle of a response.
func (t *turn) cut(problem string) bool {
	t.x.record.Problem = problem
	t.client.Abort()
	t.close()
	return false
}
