package forward

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
)

// dialFailure says why no connection came about.
func (x *exchange) dialFailure(err error) *dispatch.Failure {
	if gone := x.r.Context().Err(); gone != nil {
		return dispatch.ClientLeft(gone)
	}
	return dispatch.NotConnected(err)
}

// exchangeFailure says why a connection brought no response head. sent is the number of bytes of the request that were sent.
func (x *exchange) exchangeFailure(c *egress.Conn, err error, sent int) *dispatch.Failure {
	if x.up != nil {
		if err := x.up.failed(x.r.Context()); err != nil {
			return x.bodyFailure(err)
		}
	}
	if gone := x.r.Context().Err(); gone != nil {
		return dispatch.ClientLeft(gone)
	}
	return x.Unanswered(dispatch.Exchange{
		Sent: sent > 0, Begun: x.begun || c.Reader.Buffered() > 0, Reused: c.Reused, Err: err,
	})
}

// streamFailure says why a stream of HTTP/2 brought no response head.
func (x *exchange) streamFailure(err error, body *source) *dispatch.Failure {
	var dial *egress.DialError
	gone := x.r.Context().Err()
	switch {
	case errors.As(err, &dial):
		return x.dialFailure(err)
	case body.failed() != nil:
		return x.bodyFailure(body.failed())
	case gone != nil:
		return dispatch.ClientLeft(gone)
	case dispatch.IsTimeout(err):
		return x.Unanswered(dispatch.Exchange{Sent: true, Err: err})
	}
	return &dispatch.Failure{
		Status: http.StatusBadGateway, Cause: dispatch.Broken, Err: fmt.Errorf("%s gave no answer: %w", x.Member.Addr, err),
	}
}

// bodyFailure is the failure to read the client's body while it was being sent.
func (x *exchange) bodyFailure(err error) *dispatch.Failure {
	refusal := x.bodyRefusal(err)
	return &dispatch.Failure{Status: refusal.Status, Cause: refusal.Cause, Err: errors.New(refusal.Reason), Fatal: true, Innocent: true}
}
