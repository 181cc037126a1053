package forward

import (
	"net/http"
	"strings"

	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/message"
)

// appendHead appends the request's head as HTTP/1.1.
func (x *exchange) appendHead(dst []byte) ([]byte, error) {
	r := x.r
	dst, err := http1.AppendRequestLine(dst, x.method(), targetOf(r))
	if err != nil {
		return dst, err
	}
	if dst, err = http1.AppendField(dst, "Host", r.Host); err != nil {
		return dst, err
	}
	dropped := optionsOf(r.Header["Connection"])
	for name, values := range r.Header {
		if !message.Passes(name, http1.KindOf(name)) || dropped.Has(name) || x.writesItself(name) {
			continue
		}
		if name == "Cookie" && len(values) > 1 {
			values = []string{strings.Join(values, "; ")} // HTTP/2 may split it (RFC 9113 §8.2.3)
		}
		for _, value := range values {
			if dst, err = http1.AppendField(dst, name, value); err != nil {
				return dst, err
			}
		}
	}
	forwarding := x.forwarding()
	if dst, err = forwarding.Append(dst); err != nil {
		return dst, err
	}
	dst = x.appendConnection(dst)
	dst, err = x.appendFraming(dst)
	return append(dst, "\r\n"...), err
}

// writesItself reports whether a field that passes otherwise is one that this request gets from us.
func (x *exchange) writesItself(name string) bool {
	return x.extended() && name == "Sec-Websocket-Key" || x.early && name == "Early-Data"
}

// method is the one sent: an extended CONNECT becomes an upgrade.
func (x *exchange) method() string {
	if x.extended() {
		return http.MethodGet
	}
	return x.r.Method
}

// targetOf returns what stands in the request line: as the client wrote it, unless a handler before us has rewritten the URL.
func targetOf(r *http.Request) string {
	u, raw := r.URL, r.RequestURI
	if u.RawPath == "" && strings.HasPrefix(raw, u.Path) && u.Path != "" && u.Path[0] == '/' {
		switch rest := raw[len(u.Path):]; {
		case rest == "" && u.RawQuery == "",
			rest != "" && rest[0] == '?' && rest[1:] == u.RawQuery:
			return raw
		}
	}
	if u.Opaque != "" || u.Path == "*" {
		return u.RequestURI()
	}
	return originForm(r)
}

// originForm drops scheme and authority of an absolute target: which host is meant is in Host already, which net/http takes from
// there (RFC 9112 §3.2.2).
func originForm(r *http.Request) string {
	target := r.URL.EscapedPath()
	if target == "" || target[0] != '/' {
		target = "/" + target
	}
	if r.URL.ForceQuery || r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	return target
}

// appendConnection appends what belongs to our own hop. An HTTP/1.1 connection is kept without asking.
func (x *exchange) appendConnection(dst []byte) []byte {
	trailers := false
	for _, line := range x.r.Header["Te"] {
		trailers = trailers || http1.HasToken(line, "trailers")
	}
	switch {
	case x.upgrade != "":
		if x.extended() {
			dst = append(append(append(dst, "Sec-WebSocket-Key: "...), x.key...), "\r\n"...)
		}
		dst = append(dst, "Connection: Upgrade\r\nUpgrade: "...)
		dst = append(append(dst, x.upgrade...), "\r\n"...)
	case trailers:
		dst = append(dst, "Connection: TE\r\nTE: trailers\r\n"...)
	}
	return dst
}

// appendFraming appends how the body is delimited, by what we are about to send and not by what the client wrote.
func (x *exchange) appendFraming(dst []byte) ([]byte, error) {
	r := x.r
	switch {
	case x.body == noBody && (r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH"):
		return http1.AppendLength(dst, 0), nil
	case x.body == noBody:
		return dst, nil
	case r.ContentLength > 0:
		return http1.AppendLength(dst, r.ContentLength), nil
	}
	dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	for name := range r.Trailer {
		if !message.TrailerPasses(name) {
			continue
		}
		var err error
		if dst, err = http1.AppendField(dst, "Trailer", name); err != nil {
			return dst, err
		}
	}
	return dst, nil
}
