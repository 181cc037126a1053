package forward

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/message"
)

// speaksH2C reports whether the member is spoken to by HTTP/2 in clear. An upgrade is HTTP/1.1 in any case.
func (x *exchange) speaksH2C() bool {
	if x.upgrade != "" {
		return false
	}
	kind := ""
	if kinds := x.r.Header["Content-Type"]; len(kinds) == 1 {
		kind = kinds[0]
	}
	return dispatch.SpeaksH2C(x.Pool.Spec, x.r.ProtoMajor, kind)
}

// errStalled ends an exchange in which nothing moved for too long.
var errStalled = errors.New("nothing moved for too long")

// overH2C sends the request in a stream of HTTP/2 and answers the client with what comes back.
func (x *exchange) overH2C() *dispatch.Failure {
	ctx, cancel := context.WithCancelCause(x.r.Context())
	defer cancel(nil)
	out, body, err := x.outgoing(ctx)
	if err != nil {
		return &dispatch.Failure{Status: http.StatusBadRequest, Cause: dispatch.BadRequest, Err: err, Fatal: true, Innocent: true}
	}
	defer body.end(x)
	spec := x.Pool.Spec
	resp, err := x.h.Transport.HTTP2(egress.To(x.Pool, x.Member), spec.Keepalive, spec.ResponseTimeout).RoundTrip(out)
	if err != nil {
		return x.streamFailure(err, body)
	}
	defer resp.Body.Close()
	x.begun = true
	x.resp.Status = resp.StatusCode
	x.answered()
	whole := body.finished()
	x.writeStreamHead(resp, whole)
	if !x.relayStream(resp, cancel) {
		x.cut = true
		return nil
	}
	header := x.w.Header()
	for name, values := range resp.Trailer {
		if message.TrailerPasses(name) {
			header[http.TrailerPrefix+name] = values
		}
	}
	return nil
}

// outgoing is the request as a stream's. What is sent is what http1 would accept, as for HTTP/1.1.
func (x *exchange) outgoing(ctx context.Context) (*http.Request, *source, error) {
	forwarding := x.forwarding()
	lines, err := forwarding.Append(nil)
	if err != nil {
		return nil, nil, err
	}
	header := http.Header{"User-Agent": nil} // or net/http adds its own
	dropped := optionsOf(x.r.Header["Connection"])
	for name, values := range x.r.Header {
		if message.Passes(name, http1.KindOf(name)) && !dropped.Has(name) {
			header[name] = values
		}
	}
	for line := range strings.Lines(string(lines)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\r\n"), ": ")
		header[name] = []string{value}
	}
	for _, line := range x.r.Header["Te"] {
		if http1.HasToken(line, "trailers") {
			header["Te"] = []string{"trailers"}
		}
	}
	target, err := url.ParseRequestURI(targetOf(x.r))
	if err != nil {
		return nil, nil, err
	}
	target.Scheme, target.Host = "http", x.Member.Addr
	out := (&http.Request{
		Method: x.r.Method, URL: target, Host: x.r.Host, Header: header, Proto: "HTTP/2.0", ProtoMajor: 2,
		ContentLength: x.r.ContentLength,
	}).WithContext(ctx)
	body := new(source)
	switch x.body {
	case buffered:
		out.Body = io.NopCloser(bytes.NewReader(x.wire[x.headLen:]))
		if x.out != nil {
			x.out.Sent = x.r.ContentLength
		}
	case streamed:
		body.begin(x)
		out.Body, out.Trailer = body, x.r.Trailer
	}
	return out, body, nil
}

func (x *exchange) writeStreamHead(resp *http.Response, whole bool) {
	header := x.w.Header()
	dropped := optionsOf(resp.Header["Connection"])
	for name, values := range resp.Header {
		if http1.KindOf(name) == http1.Other && !dropped.Has(name) {
			if old, ok := header[name]; ok && !message.Replaces(name) {
				values = append(old, values...)
			}
			header[name] = values
		}
	}
	if length := resp.Header["Content-Length"]; length != nil && lengthPasses(resp.StatusCode) {
		header["Content-Length"] = length
	}
	for name := range resp.Trailer {
		if message.TrailerPasses(name) {
			header.Add("Trailer", name)
		}
	}
	if _, ok := header["Content-Type"]; !ok {
		header["Content-Type"] = nil
	}
	if cookie := x.Binding(x.secure()); cookie != "" {
		header.Add("Set-Cookie", cookie)
	}
	if !whole && x.r.ProtoMajor == 1 {
		header["Connection"] = []string{"close"}
	}
	x.w.WriteHeader(resp.StatusCode)
}

// relayStream copies the body as it comes.
func (x *exchange) relayStream(resp *http.Response, cancel context.CancelCauseFunc) (whole bool) {
	flush := resp.ContentLength < 0 || isEventStream(resp.Header)
	control := clientOf(x.w, x.r)
	defer control.writeUnbound()
	stall := x.Pool.Spec.StallTimeout
	silence := time.AfterFunc(stall, func() { cancel(errStalled) })
	defer silence.Stop()
	f := frames.Get().(*frame)
	defer frames.Put(f)
	if flush {
		_ = control.control.Flush() // a stream's head may come long before its first message
	}
	for {
		silence.Reset(stall)
		n, err := resp.Body.Read(f[:])
		if n > 0 {
			silence.Stop()
			control.writeWithin(stall)
			if _, err := x.w.Write(f[:n]); err != nil {
				x.problem("the client stopped reading: " + err.Error())
				return false
			}
			if x.out != nil {
				x.out.Received += int64(n)
			}
			if flush && err == nil {
				_ = control.control.Flush()
			}
		}
		if err == io.EOF {
			return true
		}
		if err != nil {
			x.broken(err)
			return false
		}
	}
}
