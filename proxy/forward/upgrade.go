package forward

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/http1"
)

// offer finds out whether the client offers to switch to another protocol: by Upgrade (RFC 9110 §7.8), or in HTTP/2 and HTTP/3 by
// extended CONNECT (RFC 8441, RFC 9220). HTTP/2 in clear is no offer for a member: the client speaks HTTP to us.
func (x *exchange) offer() *dispatch.Refusal {
	r := x.r
	if r.Method == http.MethodConnect {
		return x.offerExtended()
	}
	offers := r.Header["Upgrade"]
	if len(offers) != 1 || r.ProtoMajor != 1 || r.ProtoMinor != 1 || r.ContentLength != 0 {
		return nil
	}
	wanted := false
	for _, line := range r.Header["Connection"] {
		wanted = wanted || http1.HasToken(line, "upgrade")
	}
	if wanted && offers[0] != "" && !http1.HasToken(offers[0], "h2c") && http1.ValidValue(offers[0]) {
		x.upgrade = offers[0]
	}
	return nil
}

// offerExtended takes a WebSocket's extended CONNECT, which becomes an upgrade on the way to the member.
func (x *exchange) offerExtended() *dispatch.Refusal {
	protocol := ""
	switch {
	case len(x.r.Header[":protocol"]) == 1: // net/http
		protocol = x.r.Header[":protocol"][0]
	case x.r.ProtoMajor == 3 && !strings.HasPrefix(x.r.Proto, "HTTP/"): // quic-go
		protocol = x.r.Proto
	default:
		return &dispatch.Refusal{Status: http.StatusMethodNotAllowed, Cause: dispatch.Unsupported, Reason: "CONNECT without a protocol is for forward proxies"}
	}
	if protocol != "websocket" {
		return &dispatch.Refusal{Status: http.StatusNotImplemented, Cause: dispatch.Unsupported, Reason: "CONNECT is for the protocol websocket only"}
	}
	var nonce [16]byte
	rand.Read(nonce[:])
	x.upgrade, x.key = protocol, base64.StdEncoding.EncodeToString(nonce[:])
	return nil
}

// extended reports whether the client came by extended CONNECT.
func (x *exchange) extended() bool { return x.key != "" }

// errNoUpgrade is an answer that would look to an extended CONNECT as if the tunnel stood.
var errNoUpgrade = errors.New("did not switch to websocket as RFC 6455 wants")

// refusedUpgrade reports whether the member's answer to an extended CONNECT is none that the client may see as it is.
func (x *exchange) refusedUpgrade() bool {
	if x.resp.Status != http.StatusSwitchingProtocols {
		return x.resp.Status < 300
	}
	sum := sha1.Sum([]byte(x.key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	for i := range x.resp.Fields {
		if f := &x.resp.Fields[i]; http1.EqualFold(f.Name, "sec-websocket-accept") {
			return f.Value != base64.StdEncoding.EncodeToString(sum[:])
		}
	}
	return true
}

// switchProtocols connects client and member once the member has agreed to the client's offer.
func (x *exchange) switchProtocols(c *egress.Conn) *dispatch.Failure {
	var client leg
	var early []byte
	if x.extended() {
		client = x.acceptStream()
	} else {
		hijacked, buffered, err := http.NewResponseController(x.w).Hijack()
		if err != nil {
			return &dispatch.Failure{Status: http.StatusInternalServerError, Cause: dispatch.Unsupported, Err: fmt.Errorf("taking over the client's connection: %w", err), Fatal: true, Innocent: true}
		}
		defer hijacked.Close()
		_ = hijacked.SetDeadline(time.Time{})
		early, _ = buffered.Reader.Peek(buffered.Reader.Buffered())
		if _, err := hijacked.Write(x.switchHead()); err != nil {
			x.problem("the client left")
			return nil
		}
		client = bare(hijacked)
	}
	_ = c.SetDeadline(time.Time{})
	x.watch(c)
	first := bytes.Clone(c.Reader.Bytes())
	c.Reader.Release() // a tunnel may be silent for long
	t := tunnel{client: client, member: c.TCPConn, silence: x.Pool.Spec.TunnelTimeout}
	t.run(early, first)
	if x.out != nil {
		x.out.Sent, x.out.Received = t.sent.Load(), t.received.Load()
	}
	return nil
}

// bare returns the connection beneath those that only look at HTTP passing by, so that the kernel can move the bytes.
func bare(c net.Conn) net.Conn {
	for {
		wrapper, ok := c.(interface{ Bare() net.Conn })
		if !ok {
			return c
		}
		inner := wrapper.Bare()
		if inner == nil {
			return c
		}
		c = inner
	}
}

// switchHead is the head of the 101 that the client gets.
func (x *exchange) switchHead() []byte {
	header := x.w.Header()
	x.copyFields(header)
	header["Connection"] = []string{"Upgrade"}
	header["Upgrade"] = []string{x.upgrade}
	for i := range x.resp.Fields {
		if f := &x.resp.Fields[i]; f.Kind == http1.Upgrade {
			header["Upgrade"] = []string{f.Value}
		}
	}
	if cookie := x.Binding(x.secure()); cookie != "" {
		header.Add("Set-Cookie", cookie)
	}
	var head bytes.Buffer
	head.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	header.Write(&head) // a Buffer takes everything
	head.WriteString("\r\n")
	return head.Bytes()
}

// acceptStream answers an extended CONNECT.
func (x *exchange) acceptStream() leg {
	header := x.w.Header()
	x.copyFields(header)
	header.Del("Sec-WebSocket-Accept")
	if cookie := x.Binding(x.secure()); cookie != "" {
		header.Add("Set-Cookie", cookie)
	}
	x.w.WriteHeader(http.StatusOK)
	s := &stream{body: x.r.Body, w: x.w, control: http.NewResponseController(x.w)}
	_ = s.control.Flush()
	return s
}
