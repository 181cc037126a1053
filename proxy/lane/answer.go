package lane

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/message"
)

// interimMost is how many interim responses a member may send before the final one.
const interimMost = 16

var (
	errInterim  = errors.New("too many interim responses")
	errSwitched = errors.New("switched protocols without being asked")
)

// readAnswer reads the head of the final response, passing on interim ones.
func (t *turn) readAnswer() bool {
	x := t.x
	if !t.progress() {
		return true
	}
	x.member.in.Lend(t.engine.scratch())
	for {
		if t.client.Pending() {
			return false // an interim response
		}
		head, err := x.member.in.Head(x.site.Limits.Response)
		if err == error(errAgain) {
			x.begun = x.begun || x.member.in.Buffered() > 0
			return false
		}
		if err == nil {
			err = x.resp.Parse(view(head), x.site.Limits.Response)
			x.begun = true
		}
		switch {
		case err != nil:
		case x.resp.Status >= 200:
			return t.answer()
		case x.resp.Status == http.StatusSwitchingProtocols:
			err = errSwitched
		case x.interim == interimMost:
			err = errInterim
		}
		if err != nil {
			x.begun = x.begun || x.member.in.Buffered() > 0
			if !t.progress() {
				return true // it was the client's body that came to no end
			}
			if dispatch.IsTimeout(err) && t.engine.stillWaits(t) {
				if t.gone {
					return true
				}
				continue
			}
			return t.failed(x.job.Unanswered(dispatch.Exchange{
				Sent: x.sent, Begun: x.begun, Reused: x.member.reused, Err: err,
			}))
		}
		if !t.inform() {
			return true
		}
	}
}

// inform passes an interim response on, such as 103 Early Hints. A 100 was asked for by nobody.
func (t *turn) inform() bool {
	x := t.x
	x.interim++
	if x.resp.Status == http.StatusContinue {
		return true
	}
	x.out = appendStatus(x.out[:0], x.resp.Status)
	x.out = append(x.appendFields(x.out), "\r\n"...)
	t.client.ExtendWrite(t.engine.now(), x.job.Pool.Spec.StallTimeout)
	if err := t.client.Send(x.out); err != nil {
		t.gone = true
		return false
	}
	return true
}

// answer notes that the member has answered, and writes the head for the client.
func (t *turn) answer() bool {
	if !t.progress() {
		return true
	}
	x, now := t.x, t.engine.now()
	latency := now.Sub(x.phase)
	x.job.Member.Meter.Observe(latency)
	x.job.Judge(x.resp.Status)
	if x.site.KeepResponse {
		x.record.Response = cloneFields(x.resp.Fields)
	}
	x.record.Latency, x.record.Status, x.phase = latency, x.resp.Status, now
	framing := x.resp.Framing(x.req.Method)
	x.down.Reset(x.member.in, framing)
	x.chunks = framing.Kind == http1.Chunked || framing.Kind == http1.UntilClose
	if x.unread() || t.listener.draining.Load() {
		t.last = true
	}
	x.out = x.appendAnswer(x.out[:0], t)
	t.state = relaying
	return true
}

// appendAnswer appends the head of the final response as the client gets it.
func (x *exchange) appendAnswer(dst []byte, t *turn) []byte {
	r := &x.resp
	dst = appendStatus(dst, r.Status)
	dst = x.appendFields(dst)
	if cookie := x.job.Binding(x.isSecure(t)); cookie != "" {
		dst = append(append(append(dst, "Set-Cookie: "...), cookie...), "\r\n"...)
	}
	switch {
	case x.chunks:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
		dst = x.appendAnnounced(dst, r.Fields)
	case r.Length >= 0 && r.Status != http.StatusNoContent && r.Status != http.StatusNotModified:
		dst = http1.AppendLength(dst, r.Length)
	}
	return append(x.appendOwn(dst, t), "\r\n"...)
}

// appendOwn appends what every response has from us.
func (x *exchange) appendOwn(dst []byte, t *turn) []byte {
	server, date := x.site.Server != "", true
	for i := range x.resp.Fields {
		switch f := &x.resp.Fields[i]; len(f.Name) {
		case len("date"):
			date = date && !http1.EqualFold(f.Name, "date")
		case len("server"):
			server = server && !http1.EqualFold(f.Name, "server")
		}
	}
	if server {
		dst = append(append(append(dst, "Server: "...), x.site.Server...), "\r\n"...)
	}
	if date {
		dst = appendDate(dst, t.engine.now())
	}
	return appendEnd(dst, x.site, t.last)
}

// appendEnd appends the fields that a site gives its responses.
func appendEnd(dst []byte, site *Site, last bool) []byte {
	if site.AltSvc != nil {
		if value := site.AltSvc(); value != "" {
			dst = append(append(append(dst, "Alt-Svc: "...), value...), "\r\n"...)
		}
	}
	if last {
		dst = append(dst, "Connection: close\r\n"...)
	}
	return dst
}

// appendFields appends the fields of the response that are meant for the client.
func (x *exchange) appendFields(dst []byte) []byte {
	options := x.options[:0]
	for i := range x.resp.Fields {
		if f := &x.resp.Fields[i]; f.Kind == http1.Connection {
			options = options.Append(f.Value)
		}
	}
	for i := range x.resp.Fields {
		f := &x.resp.Fields[i]
		if f.Kind != http1.Other || len(options) > 0 && options.Has(f.Name) || x.repeated(i) {
			continue
		}
		dst = appendField(dst, f.Name, f.Value)
	}
	return dst
}

// repeated reports whether the i-th field of the response contradicts a later one of the same name, which stands.
func (x *exchange) repeated(i int) bool {
	name := x.resp.Fields[i].Name
	if !message.Replaces(name) {
		return false
	}
	for _, later := range x.resp.Fields[i+1:] {
		if len(later.Name) == len(name) && sameName(later.Name, name) {
			return true
		}
	}
	return false
}

// isSecure reports whether the client came by TLS, to us or to a trusted proxy before us.
func (x *exchange) isSecure(t *turn) bool {
	return t.secure || len(x.proto) > 0 && http1.EqualFold(x.proto[0], "https") && x.job.Trusted()
}

func appendStatus(dst []byte, status int) []byte {
	dst = strconv.AppendInt(append(dst, "HTTP/1.1 "...), int64(status), 10)
	text := http.StatusText(status)
	if text == "" {
		return append(strconv.AppendInt(append(dst, " status code "...), int64(status), 10), "\r\n"...)
	}
	return append(append(append(dst, ' '), text...), "\r\n"...)
}

// cloneFields copies fields out of a buffer that is about to change.
func cloneFields(fields []http1.Field) []http1.Field {
	out := make([]http1.Field, len(fields))
	for i, f := range fields {
		out[i] = http1.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value), Kind: f.Kind}
	}
	return out
}
