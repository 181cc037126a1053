package dispatch

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"

	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/route"
)

// Failure is one attempt without an answer.
type Failure struct {
	Status int
	Cause  Cause
	Err    error
	// Unsent tells that no byte of the request left us; Unmet that no connection came about, so that nothing was sent either; Stale that
	// a kept connection was dead when it was used again.
	Unsent, Unmet, Stale bool
	// Fatal tells that no other member is to be tried: it would not help, or a byte of the response has come. Innocent tells that the
	// member is not to blame.
	Fatal, Innocent bool
}

// Refusal returns the answer to the client if nobody is tried after this.
func (f *Failure) Refusal() *Refusal {
	return &Refusal{Status: f.Status, Cause: f.Cause, Reason: f.Err.Error(), Code: route.OK}
}

// NotConnected says why no connection came about, by the error of the dialling.
func NotConnected(err error) *Failure {
	var forbidden *egress.ForbiddenError
	switch {
	case errors.As(err, &forbidden):
		return &Failure{Status: http.StatusBadGateway, Cause: Forbidden, Err: err, Unsent: true, Unmet: true}
	case IsTimeout(err):
		return &Failure{Status: http.StatusGatewayTimeout, Cause: ConnectFailed, Err: err, Unsent: true, Unmet: true}
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE): // we have no descriptors left, for whomever
		return &Failure{Status: http.StatusBadGateway, Cause: ConnectFailed, Err: err, Unsent: true, Unmet: true, Fatal: true, Innocent: true}
	}
	return &Failure{Status: http.StatusBadGateway, Cause: ConnectFailed, Err: err, Unsent: true, Unmet: true}
}

// Exchange is what is known of an exchange with a member that has brought no response head.
type Exchange struct {
	// Sent tells that a byte of the request was sent, Begun that one of a response has come, Reused that the connection was a kept one.
	Sent, Begun, Reused bool
	Err                 error
}

// Unanswered says why the present member's connection brought no response head.
func (j *Job) Unanswered(e Exchange) *Failure {
	addr := j.Member.Addr
	switch {
	case IsTimeout(e.Err):
		return &Failure{
			Status: http.StatusGatewayTimeout, Cause: Timeout, Fatal: e.Begun,
			Err: fmt.Errorf("%s did not answer within %s: %w", addr, j.Pool.Spec.ResponseTimeout, e.Err),
		}
	case !e.Begun && closed(e.Err):
		return &Failure{
			Status: http.StatusBadGateway, Cause: Broken, Unsent: !e.Sent, Stale: e.Reused,
			Err: fmt.Errorf("%s closed the connection without an answer: %w", addr, e.Err),
		}
	}
	return &Failure{
		Status: http.StatusBadGateway, Cause: Broken, Fatal: true, Err: fmt.Errorf("%s sent a broken response head: %w", addr, e.Err),
	}
}

// ClientLeft is the failure of a request whose client has left; err says how that was noticed.
func ClientLeft(err error) *Failure {
	return &Failure{
		Status: StatusClientGone, Cause: ClientGone, Fatal: true, Innocent: true, Err: fmt.Errorf("the client left: %w", err),
	}
}

// closed reports whether err is what one sees of a connection that its other end has closed.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// IsTimeout reports whether a time limit ended what err tells of.
func IsTimeout(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) && netErr.Timeout()
}

// Blame tells the observer of a failure that the member is answerable for.
func (j *Job) Blame(f *Failure) {
	switch {
	case f.Innocent || j.desk.Observer == nil:
	case f.Unmet && errors.Is(f.Err, syscall.ECONNREFUSED):
		j.desk.Observer.Refused(j.Pool, j.Member, f.Err.Error())
	default:
		j.desk.Observer.Failed(j.Pool, j.Member, f.Err.Error())
	}
}

// Judge tells the observer what the status of a response says of the member.
func (j *Job) Judge(status int) {
	if j.desk.Observer == nil {
		return
	}
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		j.desk.Observer.Failed(j.Pool, j.Member, fmt.Sprintf("answered %d", status))
	default:
		j.desk.Observer.Succeeded(j.Pool, j.Member)
	}
}

// BrokenOff tells the observer that the member did not finish its response, for the reason given.
func (j *Job) BrokenOff(reason string) {
	if j.desk.Observer != nil {
		j.desk.Observer.Failed(j.Pool, j.Member, reason)
	}
}
