package message

import (
	"net/netip"
	"strings"

	"github.com/fairlead/fairlead/proxy/http1"
)

// Forwarding is what a member is told about who asked. The lists are the values of those fields as a trusted peer sent them, and
// empty for anybody else, who may have made them up.
type Forwarding struct {
	Peer   netip.Addr // the zero Addr for a Unix socket
	Host   string
	Secure bool // it came by TLS
	Early  bool // as early data of our own TLS, which somebody may have recorded and sent again (RFC 8470 §5.1)

	For, Proto, GivenHost, Forwarded []string
}

// Append appends X-Forwarded-For, -Proto and -Host and Forwarded (RFC 7239), and Early-Data where it is to be. Lists grow by the peer's
// address; of Proto and Host, which name what the client asked for, a trusted peer's value stays as it is.
func (f *Forwarding) Append(dst []byte) ([]byte, error) {
	proto := "http"
	if f.Secure {
		proto = "https"
	}
	dst = appendList(append(dst, "X-Forwarded-For: "...), f.For)
	if f.Peer.IsValid() {
		dst = append(f.Peer.WithZone("").AppendTo(dst), "\r\n"...)
	} else {
		dst = append(dst, "unknown\r\n"...)
	}
	dst = appendFirst(append(dst, "X-Forwarded-Proto: "...), f.Proto, proto)
	dst = appendFirst(append(dst, "X-Forwarded-Host: "...), f.GivenHost, f.Host)
	if f.Early {
		dst = append(dst, "Early-Data: 1\r\n"...)
	}

	start := len(dst)
	dst = appendList(append(dst, "Forwarded: "...), f.Forwarded)
	dst = append(f.appendNode(append(dst, "for="...)), ";host="...)
	dst = appendQuoted(dst, f.Host)
	dst = append(append(append(dst, ";proto="...), proto...), "\r\n"...)
	if !http1.ValidValue(dst[start : len(dst)-2]) {
		return dst, http1.ErrFieldValue
	}
	return dst, nil
}

func appendList(dst []byte, values []string) []byte {
	for _, value := range values {
		if value != "" && http1.ValidValue(value) {
			dst = append(append(dst, value...), ", "...)
		}
	}
	return dst
}

func appendFirst(dst []byte, values []string, otherwise string) []byte {
	if len(values) > 0 && values[0] != "" && http1.ValidValue(values[0]) {
		otherwise = values[0]
	}
	return append(append(dst, otherwise...), "\r\n"...)
}

// appendNode appends the peer as RFC 7239 §6 writes it: an IPv6 address in brackets and quotes.
func (f *Forwarding) appendNode(dst []byte) []byte {
	switch {
	case !f.Peer.IsValid():
		return append(dst, "unknown"...)
	case f.Peer.Is4():
		return f.Peer.AppendTo(dst)
	}
	dst = f.Peer.WithZone("").AppendTo(append(dst, `"[`...))
	return append(dst, `]"`...)
}

// appendQuoted appends s as a token, or where it is none as a quoted string.
func appendQuoted(dst []byte, s string) []byte {
	if http1.ValidName(s) {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for i := range len(s) {
		if strings.IndexByte(`"\`, s[i]) >= 0 {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}
