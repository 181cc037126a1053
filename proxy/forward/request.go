package forward

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
)

// bodyKind is how the request's body is sent.
type bodyKind uint8

const (
	noBody   bodyKind = iota
	buffered          // whole, in wire behind the head
	streamed          // by an upload, while the response may already come
)

// prepare puts the request into the form it is sent in, to as many members as need be. A small body of known length is taken in
// whole first: it can be sent again, and a slow client holds no member.
func (x *exchange) prepare() *dispatch.Refusal {
	r := x.r
	if refusal := x.offer(); refusal != nil {
		return refusal
	}
	switch {
	case r.Body == nil, r.Body == http.NoBody, r.ContentLength == 0, x.extended():
		x.body = noBody
	case r.ContentLength > 0 && r.ContentLength <= int64(x.Pool.Spec.RetryBuffer):
		x.body = buffered
	default:
		x.body = streamed
	}
	head, err := x.appendHead(x.wire[:0])
	x.wire = head
	if err != nil {
		return &dispatch.Refusal{Status: http.StatusBadRequest, Cause: dispatch.BadRequest, Reason: err.Error()}
	}
	x.headLen = len(head)
	if x.body == buffered {
		return x.takeBody()
	}
	return nil
}

// takeBody reads the body behind the head.
func (x *exchange) takeBody() *dispatch.Refusal {
	size := int(x.r.ContentLength)
	x.wire = slices.Grow(x.wire, size)[:x.headLen+size]
	client := clientOf(x.w, x.r)
	for rest := x.wire[x.headLen:]; len(rest) > 0; {
		client.readWithin(x.Pool.Spec.StallTimeout)
		n, err := x.r.Body.Read(rest)
		rest = rest[n:]
		if len(rest) > 0 && err != nil {
			x.leaveUnread(client)
			return x.bodyRefusal(err)
		}
	}
	if err := x.endBody(); err != nil {
		x.leaveUnread(client)
		return x.bodyRefusal(err)
	}
	client.readUnbound()
	x.now = time.Now()
	return nil
}

// endBody reads the end of a body whose bytes have all come: only then does net/http watch the connection for the client's leaving.
func (x *exchange) endBody() error {
	var one [1]byte
	if n, err := x.r.Body.Read(one[:]); n > 0 || err != nil && err != io.EOF {
		return fmt.Errorf("more than its length: %w", err)
	}
	return nil
}

// leaveUnread gives up the rest of the request body: nobody reads on, and since a next request could only be guessed to begin somewhere
// in it, the connection ends with the response.
func (x *exchange) leaveUnread(client *client) {
	client.endReads(longAgo)
	if x.r.ProtoMajor == 1 {
		x.w.Header()["Connection"] = []string{"close"}
	}
}

// bodyRefusal says why the client's body could not be read.
func (x *exchange) bodyRefusal(err error) *dispatch.Refusal {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &dispatch.Refusal{Status: http.StatusRequestEntityTooLarge, Cause: dispatch.TooLarge, Reason: err.Error()}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &dispatch.Refusal{Status: http.StatusRequestTimeout, Cause: dispatch.BodyTimeout, Reason: "the client was silent in the middle of its request body"}
	case x.r.Context().Err() != nil, errors.Is(err, io.ErrUnexpectedEOF):
		return &dispatch.Refusal{Status: dispatch.StatusClientGone, Cause: dispatch.ClientGone, Reason: fmt.Sprintf("the client left in the middle of its request body: %v", err)}
	}
	return &dispatch.Refusal{Status: http.StatusBadRequest, Cause: dispatch.BadRequest, Reason: fmt.Sprintf("reading the request body: %v", err)}
}
