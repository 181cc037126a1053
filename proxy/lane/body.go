package lane

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/http1"
)

// readBody takes a small body in whole, behind the head in wire: it can be sent again then, and a slow client holds no member.
func (t *turn) readBody() bool {
	x := t.x
	for {
		want := x.headLen + int(x.req.Length) - len(x.wire)
		piece := t.in.Bytes()
		piece = piece[:min(want, len(piece))]
		x.wire = append(x.wire, piece...)
		t.in.Discard(len(piece))
		x.bodySeen += int64(len(piece))
		if len(piece) == want {
			break
		}
		if refusal := x.tooSlow(t.engine.now()); refusal != nil {
			return t.failBody(refusal)
		}
		t.client.ExtendRead(t.engine.now(), x.job.Pool.Spec.StallTimeout)
		err := t.in.Fill()
		if err == error(errAgain) {
			if t.in.Buffered() == 0 {
				t.in.Release()
			}
			return false
		}
		if err != nil {
			return t.failBody(bodyRefusal(err))
		}
	}
	x.whole = true
	x.phase = t.engine.now()
	return t.enter()
}

// failBody answers a request whose body did not come as it should. Where the next request would begin is not known then.
func (t *turn) failBody(refusal *dispatch.Refusal) bool {
	t.last = true
	return t.fail(refusal)
}

var errBodyRate = errors.New("the client sends its request body more slowly than it must")

// tooSlow refuses a body that comes at less than Limits.BodyRate.
func (x *exchange) tooSlow(now time.Time) *dispatch.Refusal {
	rate := x.site.Limits.BodyRate
	if rate == 0 {
		return nil
	}
	paid := now.Sub(x.bodyFrom) - x.site.Times.BodyGrace
	if paid <= 0 || float64(x.bodySeen) >= paid.Seconds()*float64(rate) {
		return nil
	}
	return &dispatch.Refusal{Status: http.StatusRequestTimeout, Cause: dispatch.BodyTimeout, Reason: errBodyRate.Error()}
}

// bodyRefusal says why the client's body could not be read.
func bodyRefusal(err error) *dispatch.Refusal {
	switch {
	case dispatch.IsTimeout(err):
		return &dispatch.Refusal{Status: http.StatusRequestTimeout, Cause: dispatch.BodyTimeout, Reason: "the client was silent in the middle of its request body"}
	case errors.Is(err, http1.ErrChunk), errors.Is(err, http1.ErrTrailers):
		return &dispatch.Refusal{Status: http.StatusBadRequest, Cause: dispatch.BadRequest, Reason: "reading the request body: " + err.Error()}
	}
	return &dispatch.Refusal{Status: dispatch.StatusClientGone, Cause: dispatch.ClientGone, Reason: "the client left in the middle of its request body: " + err.Error()}
}

// uploaded is how an upload stands after a part of it.
type uploaded uint8

const (
	uploadWaits uploaded = iota // for the client, or for the member to read
	uploadEnded
	uploadFailed // the member does not take it
)

// uploading reports whether a streamed body is still being sent.
func (x *exchange) uploading() bool { return x.body == streamed && !x.whole && !x.stuck }

// progress sends more of a streamed body, if there is more to send, and reports false if that has ended the exchange.
func (t *turn) progress() bool {
	x := t.x
	if !x.uploading() {
		return true
	}
	state, refusal := t.engine.upload(t)
	switch {
	case refusal != nil && !x.written:
		t.failBody(refusal)
		return false
	case refusal != nil:
		t.cut(refusal.Reason)
		return false
	case state == uploadEnded:
		x.whole, x.phase = true, x.uploadedAt
		if t.state == awaiting {
			t.engine.await(t, x.phase, x.job.Pool.Spec.ResponseTimeout)
		}
	case state == uploadFailed: // it may have said why
		x.stuck = true
		if t.state == awaiting {
			t.engine.await(t, t.engine.now(), x.job.Pool.Spec.ResponseTimeout)
		}
	}
	return true
}

// pump sends pieces of a streamed body to the member until it has to wait, or has sent most, so that others have their turn. It returns a
// refusal if the client is to blame. On an engine that blocks it is run beside the machine, and touches nothing of the exchange but up,
// uploadedAt, bodySeen and consumed.
func (x *exchange) pump(t *turn, most int64) (uploaded, *dispatch.Refusal) {
	now := t.engine.now()
	stall := x.job.Pool.Spec.StallTimeout
	for most += x.bodySeen; ; {
		switch {
		case x.member.Pending():
			return uploadWaits, nil
		case x.bodySeen >= most:
			t.engine.yield(t)
			return uploadWaits, nil
		}
		if !x.up.More() {
			if refusal := x.tooSlow(now); refusal != nil {
				return uploadWaits, refusal
			}
			t.client.ExtendRead(now, stall)
		}
		piece, err := x.up.Next()
		switch {
		case err == error(errAgain):
			return uploadWaits, nil
		case err == io.EOF:
			x.uploadedAt = t.engine.now()
			return x.endUpload()
		case err != nil:
			return uploadWaits, bodyRefusal(err)
		}
		now = t.engine.now()
		x.bodySeen += int64(len(piece))
		if x.up.Ended() {
			x.consumed.Store(true)
		}
		x.member.ExtendWrite(now, stall)
		if sendPiece(x.member.conn, piece, x.req.Chunked) != nil {
			return uploadFailed, nil
		}
	}
}

func (x *exchange) endUpload() (uploaded, *dispatch.Refusal) {
	x.consumed.Store(true)
	for _, f := range x.up.Trailers() {
		if f.Kind != http1.Other { // such as a length, which nobody may take for the message's
			x.consumed.Store(false) // whatever follows is not read
			return uploadWaits, bodyRefusal(http1.ErrTrailers)
		}
	}
	if x.req.Chunked {
		if err := x.member.Send(appendTrailers(nil, x.up.Trailers())); err != nil {
			return uploadFailed, nil
		}
	}
	return uploadEnded, nil
}

// sendPiece sends a piece of a body, as a chunk if it is chunked.
func sendPiece(c conn, piece []byte, chunked bool) error {
	if !chunked {
		return c.Send(piece)
	}
	frame := frames.Get().(*[]byte)
	defer frames.Put(frame)
	*frame = append(append(http1.AppendChunkHead((*frame)[:0], len(piece)), piece...), "\r\n"...)
	return c.Send(*frame)
}
