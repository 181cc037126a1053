package lane

import (
	"strings"

	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/message"
)

// appendHead appends the request's head as a member gets it.
func (x *exchange) appendHead(dst []byte, t *turn) ([]byte, error) {
	r := &x.req
	dst = append(append(dst, r.Method...), ' ')
	dst = append(append(dst, r.Target...), " HTTP/1.1\r\nHost: "...)
	dst = append(append(dst, r.Host...), "\r\n"...)
	trailers := false
	for i := range r.Fields {
		f := &r.Fields[i]
		if f.Kind == http1.TE {
			trailers = trailers || http1.HasToken(f.Value, "trailers")
		}
		if !message.Passes(f.Name, f.Kind) || len(x.options) > 0 && x.options.Has(f.Name) || ambiguousName(f.Name) {
			continue
		}
		if len(x.cookies) > 1 && http1.EqualFold(f.Name, "cookie") {
			continue
		}
		dst = appendField(dst, f.Name, f.Value)
	}
	if len(x.cookies) > 1 && !x.options.Has("Cookie") { // one line, as HTTP/1.1 has it (RFC 6265 §5.4)
		dst = append(append(append(dst, "Cookie: "...), strings.Join(x.cookies, "; ")...), "\r\n"...)
	}
	dst, err := x.appendForwarding(dst, t)
	if err != nil {
		return dst, err
	}
	if trailers {
		dst = append(dst, "Connection: TE\r\nTE: trailers\r\n"...)
	}
	return append(x.appendFraming(dst), "\r\n"...), nil
}

// ambiguousName reports whether a name is one that Caddy's servers drop: gateways make one variable of X-A, X_A and X.A, so that one could
// pose as another.
func ambiguousName(name string) bool {
	return strings.IndexByte(name, '_') >= 0 || strings.IndexByte(name, '.') >= 0
}

func (x *exchange) appendForwarding(dst []byte, t *turn) ([]byte, error) {
	f := message.Forwarding{Peer: t.remote.Addr(), Host: x.req.Host, Secure: t.secure}
	if x.job.Trusted() {
		f.For, f.Proto, f.GivenHost, f.Forwarded = x.forwardedFor, x.proto, x.host, x.forwarded
	}
	return f.Append(dst)
}

// appendFraming appends how the body is delimited, by what we are about to send and not by what the client wrote.
func (x *exchange) appendFraming(dst []byte) []byte {
	r := &x.req
	switch {
	case r.Chunked:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
		return x.appendAnnounced(dst, r.Fields)
	case r.Length > 0:
		return http1.AppendLength(dst, r.Length)
	case r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH":
		return http1.AppendLength(dst, 0)
	}
	return dst
}

// appendAnnounced appends the names of the trailers that a message announces and that may pass.
func (x *exchange) appendAnnounced(dst []byte, fields []http1.Field) []byte {
	for i := range fields {
		if fields[i].Kind != http1.Trailer {
			continue
		}
		for _, name := range message.Options(nil).Append(fields[i].Value) {
			if http1.ValidName(name) && message.TrailerPasses(name) {
				dst = append(appendName(append(dst, "Trailer: "...), name), "\r\n"...)
			}
		}
	}
	return dst
}

// appendTrailers appends the end of a chunked body with the trailers that may pass.
func appendTrailers(dst []byte, trailers []http1.Field) []byte {
	dst = http1.AppendLastChunk(dst)
	for i := range trailers {
		if f := &trailers[i]; message.TrailerPasses(f.Name) {
			dst = appendField(dst, f.Name, f.Value)
		}
	}
	return append(dst, "\r\n"...)
}
