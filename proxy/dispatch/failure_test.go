package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/route"
)

func dialError(err error) error { return &egress.DialError{Addr: "10.0.0.1:1000", Err: err} }

func TestNotConnected(t *testing.T) {
	for _, c := range []struct {
		err    error
		cause  dispatch.Cause
		status int
		ours   bool // the member is not to blame, and no other would help
	}{
		{dialError(syscall.ECONNREFUSED), dispatch.ConnectFailed, 502, false},
		{dialError(os.ErrDeadlineExceeded), dispatch.ConnectFailed, 504, false},
		{dialError(context.DeadlineExceeded), dispatch.ConnectFailed, 504, false},
		{dialError(&egress.ForbiddenError{Addr: "10.0.0.1:1000", Reason: "multicast address"}), dispatch.Forbidden, 502, false},
		{dialError(os.NewSyscallError("socket", syscall.EMFILE)), dispatch.ConnectFailed, 502, true},
		{dialError(os.NewSyscallError("socket", syscall.ENFILE)), dispatch.ConnectFailed, 502, true},
	} {
		f := dispatch.NotConnected(c.err)
		if f.Cause != c.cause || f.Status != c.status || !f.Unsent || !f.Unmet || f.Stale || f.Fatal != c.ours || f.Innocent != c.ours {
			t.Errorf("%v: %+v", c.err, f)
		}
		if r := f.Refusal(); r.Status != c.status || r.Cause != c.cause || r.Word() != string(c.cause) || r.Reason != c.err.Error() || r.Code != route.OK {
			t.Errorf("%v: %+v", c.err, r)
		}
	}
}

func TestUnanswered(t *testing.T) {
	reset, malformed := fmt.Errorf("reading: %w", syscall.ECONNRESET), errors.New("malformed status line")
	for _, c := range []struct {
		name string
		dispatch.Exchange
		cause                dispatch.Cause
		unsent, stale, fatal bool
		reason               string
	}{
		{"closed", dispatch.Exchange{Sent: true, Err: io.EOF}, dispatch.Broken, false, false, false, "closed the connection without an answer"},
		{"closed before anything was sent", dispatch.Exchange{Err: syscall.EPIPE}, dispatch.Broken, true, false, false, "closed the connection"},
		{"a kept one closed", dispatch.Exchange{Sent: true, Reused: true, Err: reset}, dispatch.Broken, false, true, false, "closed the connection"},
		{"cut", dispatch.Exchange{Sent: true, Begun: true, Reused: true, Err: io.EOF}, dispatch.Broken, false, false, true, "broken response head"},
		{"malformed", dispatch.Exchange{Sent: true, Reused: true, Err: malformed}, dispatch.Broken, false, false, true, "broken response head"},
		{"silent", dispatch.Exchange{Sent: true, Reused: true, Err: os.ErrDeadlineExceeded}, dispatch.Timeout, false, false, false, "did not answer within 1m0s"},
		{"silent in the head", dispatch.Exchange{Sent: true, Begun: true, Err: os.ErrDeadlineExceeded}, dispatch.Timeout, false, false, true, "did not answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := newDesk(nil, 10).enter(t, plain)
			f := j.Unanswered(c.Exchange)
			status := 502
			if c.cause == dispatch.Timeout {
				status = 504
			}
			if f.Status != status || f.Cause != c.cause || f.Unsent != c.unsent || f.Stale != c.stale || f.Fatal != c.fatal || f.Unmet || f.Innocent {
				t.Errorf("%+v", f)
			}
			if text := f.Err.Error(); !strings.HasPrefix(text, "10.0.0.1:1000 ") || !strings.Contains(text, c.reason) || !errors.Is(f.Err, c.Err) {
				t.Errorf("%s", text)
			}
		})
	}
}

func TestWhatTheObserverHears(t *testing.T) {
	left := dispatch.ClientLeft(context.Canceled)
	if !left.Fatal || !left.Innocent || left.Status != dispatch.StatusClientGone || left.Cause != dispatch.ClientGone {
		t.Errorf("%+v", left)
	}
	for _, c := range []struct {
		tell func(j *dispatch.Job)
		want []string
	}{
		{func(j *dispatch.Job) { j.Blame(left) }, nil},
		{func(j *dispatch.Job) { j.Blame(dispatch.NotConnected(dialError(syscall.ECONNREFUSED))) },
			[]string{"refused: connecting to 10.0.0.1:1000: connection refused"}},
		{func(j *dispatch.Job) { j.Blame(dispatch.NotConnected(dialError(syscall.EHOSTUNREACH))) },
			[]string{"failed: connecting to 10.0.0.1:1000: no route to host"}},
		{func(j *dispatch.Job) { j.Blame(broken) }, []string{"failed: no answer"}},
		{func(j *dispatch.Job) { j.BrokenOff("broke off") }, []string{"failed: broke off"}},
		{func(j *dispatch.Job) { j.Judge(200) }, []string{"succeeded"}},
		{func(j *dispatch.Job) { j.Judge(500) }, []string{"succeeded"}},
		{func(j *dispatch.Job) { j.Judge(502); j.Judge(503); j.Judge(504) },
			[]string{"failed: answered 502", "failed: answered 503", "failed: answered 504"}},
	} {
		d := newDesk(nil, 10)
		c.tell(d.enter(t, plain))
		if !slices.Equal(d.observer.heard, c.want) {
			t.Errorf("heard %q, want %q", d.observer.heard, c.want)
		}
		d.Observer = nil // nobody need listen
		c.tell(d.enter(t, plain))
	}
}
