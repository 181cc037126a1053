package forward

import (
	"strings"

	"github.com/fairlead/fairlead/proxy/message"
)

// forwarding is what the member is told about who asked. What a trusted peer sent is gone on from; what anybody else sent is dropped.
func (x *exchange) forwarding() message.Forwarding {
	f := message.Forwarding{Peer: x.peer, Host: x.r.Host, Secure: x.r.TLS != nil, Early: x.early}
	if x.trusted {
		header := x.r.Header
		f.For, f.Proto = header["X-Forwarded-For"], header["X-Forwarded-Proto"]
		f.GivenHost, f.Forwarded = header["X-Forwarded-Host"], header["Forwarded"]
	}
	return f
}

// secure reports whether the client came by TLS, to us or to a trusted proxy before us.
func (x *exchange) secure() bool {
	if x.r.TLS != nil {
		return true
	}
	if !x.trusted {
		return false
	}
	proto := x.r.Header["X-Forwarded-Proto"]
	return len(proto) > 0 && strings.EqualFold(proto[0], "https")
}

// optionsOf collects what the lines of a Connection header declare to belong to one hop.
func optionsOf(lines []string) (options message.Options) {
	for _, line := range lines {
		options = options.Append(line)
	}
	return options
}
