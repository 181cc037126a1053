package forward

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/message"
)

// overH1 sends the request on c and answers the client with what comes back. c is the exchange's until then; it is kept for others
// only if both messages ended as they should.
func (x *exchange) overH1(c *egress.Conn) *dispatch.Failure {
	reusable := false
	defer func() {
		if x.unwatch() && reusable {
			x.h.Transport.Put(c, time.Now(), x.Pool.Spec.Keepalive)
			return
		}
		c.Close()
	}()
	c.ExtendWrite(x.now, x.Pool.Spec.ResponseTimeout)
	c.ReadSoon(x.now, min(soon, x.Pool.Spec.ResponseTimeout/2))
	if x.body == streamed || len(x.wire) > patience {
		x.watch(c)
	}
	sent, err := c.Write(x.wire)
	if x.out != nil {
		x.out.Sent = int64(max(0, sent-x.headLen))
	}
	if err == nil && x.body == streamed {
		x.up = newUpload(x, c)
		defer x.endUpload()
		c.UnboundRead()
		go x.up.run()
	}
	// A member may answer and close before it has read everything, so its answer counts for more than a failed write.
	if answer := x.readHead(c); answer != nil {
		if err == nil {
			err = answer
		}
		return x.exchangeFailure(c, err, sent)
	}
	x.answered()
	if x.extended() && x.refusedUpgrade() {
		return &dispatch.Failure{Status: http.StatusBadGateway, Cause: dispatch.Broken, Err: fmt.Errorf("%s %w", x.Member.Addr, errNoUpgrade)}
	}
	if x.resp.Status == http.StatusSwitchingProtocols {
		return x.switchProtocols(c)
	}
	reusable = x.relay(c)
	return nil
}

// endUpload ends the upload, whether or not it has come to its own end.
func (x *exchange) endUpload() {
	if x.r.ProtoMajor == 1 && x.written && !x.cut && !x.up.over() {
		_ = http.NewResponseController(x.w).Flush()
		x.LeaveMember()
		x.up.drain()
	}
	x.up.stop()
	if !x.up.whole {
		x.leaveUnread(x.up.client)
	}
}

// informationalMost is how many interim responses a member may send before the final one.
const informationalMost = 16

var (
	errInformational = errors.New("too many interim responses")
	errSwitched      = errors.New("switched protocols without being asked")
)

// readHead reads the head of the final response, passing on interim ones.
func (x *exchange) readHead(c *egress.Conn) error {
	for interim := 0; ; interim++ {
		head, err := x.nextHead(c)
		if err != nil {
			return err
		}
		if err := x.resp.Parse(string(head), x.h.Limits); err != nil {
			return err
		}
		x.begun = true
		switch {
		case x.resp.Status >= 200:
			return nil
		case x.resp.Status == http.StatusSwitchingProtocols:
			if x.upgrade == "" {
				return errSwitched
			}
			return nil
		case interim == informationalMost:
			return errInformational
		}
		x.inform()
	}
}

// nextHead reads one head.
func (x *exchange) nextHead(c *egress.Conn) ([]byte, error) {
	head, err := c.Reader.Head(x.h.Limits)
	if err == nil || x.stopWatch != nil || !dispatch.IsTimeout(err) {
		return head, err
	}
	c.ExtendRead(x.now, x.Pool.Spec.ResponseTimeout)
	x.watch(c)
	return c.Reader.Head(x.h.Limits)
}

// inform passes an interim response on, such as 103 Early Hints. A 100 is for us: net/http sends the client's own when we read its
// body.
func (x *exchange) inform() {
	if x.resp.Status == http.StatusContinue || !x.r.ProtoAtLeast(1, 1) {
		return
	}
	header := x.w.Header()
	mine := header.Clone()
	clear(header)
	x.copyFields(header)
	x.w.WriteHeader(x.resp.Status)
	clear(header)
	for name, values := range mine {
		header[name] = values
	}
}

// answered notes that the member has answered.
func (x *exchange) answered() {
	now := time.Now()
	latency := now.Sub(x.now)
	x.Member.Meter.Observe(latency)
	x.Judge(x.resp.Status)
	x.now = now
	if x.out != nil {
		x.out.Latency, x.out.Status = latency, x.resp.Status
	}
}

// copyFields copies the fields of the response that are meant for the client.
func (x *exchange) copyFields(header http.Header) {
	var dropped message.Options
	for i := range x.resp.Fields {
		if f := &x.resp.Fields[i]; f.Kind == http1.Connection {
			dropped = dropped.Append(f.Value)
		}
	}
	values := make([]string, 0, len(x.resp.Fields))
	for i := range x.resp.Fields {
		f := &x.resp.Fields[i]
		if f.Kind != http1.Other || dropped.Has(f.Name) {
			continue
		}
		name := http1.CanonicalName(f.Name)
		values = append(values, f.Value)
		if old, ok := header[name]; ok && !message.Replaces(name) {
			header[name] = append(old, f.Value)
			continue
		}
		header[name] = values[len(values)-1 : len(values) : len(values)]
	}
}
