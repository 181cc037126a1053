package forward

import (
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/message"
)

// relay passes the response on whose head stands in x.resp, and reports whether the connection can carry another exchange.
func (x *exchange) relay(c *egress.Conn) (reusable bool) {
	framing := x.resp.Framing(x.method())
	x.in.Reset(&c.Reader, framing)
	whole := x.up == nil || x.up.finished()
	x.writeHead(framing, whole)
	if !x.relayBody(c, framing) {
		x.cut = true
		return false
	}
	x.writeTrailers()
	return whole && x.in.Ended() && !x.resp.Close
}

// writeHead writes the head of the final response.
func (x *exchange) writeHead(framing http1.Framing, whole bool) {
	header := x.w.Header()
	x.copyFields(header)
	if x.resp.Length >= 0 && lengthPasses(x.resp.Status) {
		header["Content-Length"] = []string{strconv.FormatInt(x.resp.Length, 10)}
	}
	if _, ok := header["Content-Type"]; !ok {
		header["Content-Type"] = nil // or net/http guesses one
	}
	if cookie := x.Binding(x.secure()); cookie != "" {
		header.Add("Set-Cookie", cookie)
	}
	if framing.Kind == http1.Chunked {
		x.announceTrailers(header)
	}
	if !whole && x.r.ProtoMajor == 1 {
		header["Connection"] = []string{"close"} // the rest of the body may stay unread: see leaveUnread
	}
	x.w.WriteHeader(x.resp.Status)
	x.written = true
}

// lengthPasses reports whether a Content-Length is for the client. In a 304 it would be that of another response (RFC 9110 §15.4.5),
// which HTTP/2 clients take for this one's.
func lengthPasses(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// patience is how much of a body is written before limits are set on a client that does not read it: less than that fits the socket.
const patience = 64 << 10

// relayBody copies the body in pieces as they come, so that a client that reads slowly slows the member down. Each is flushed if
// nobody knows how much is to follow; batches are left to net/http otherwise.
func (x *exchange) relayBody(c *egress.Conn, framing http1.Framing) (whole bool) {
	if framing.Kind == http1.NoBody {
		return true
	}
	flush := framing.Kind != http1.Sized || isEventStream(x.w.Header())
	var limits *client
	defer func() {
		if limits != nil {
			limits.writeUnbound()
		}
	}()
	for written := 0; ; {
		if !x.in.More() {
			if flush {
				_ = http.NewResponseController(x.w).Flush()
			}
			c.ExtendRead(time.Now(), x.Pool.Spec.StallTimeout)
			x.watch(c)
		}
		piece, err := x.in.Next()
		if err == io.EOF {
			return true
		}
		if err != nil {
			x.broken(err)
			return false
		}
		if written += len(piece); flush || written > patience {
			if limits == nil {
				limits = clientOf(x.w, x.r)
			}
			limits.writeWithin(x.Pool.Spec.StallTimeout)
		}
		if _, err := x.w.Write(piece); err != nil {
			x.problem("the client stopped reading: " + err.Error())
			return false
		}
		if x.out != nil {
			x.out.Received += int64(len(piece))
		}
		if left := x.in.Left(); left >= bulk && !flush && x.socketToSocket() {
			return x.relayBulk(c)
		} else if left > patience {
			c.Reader.Widen()
		}
	}
}

// broken notes that the member's response ended before its end.
func (x *exchange) broken(err error) {
	if x.r.Context().Err() != nil {
		x.problem("the client left")
		return
	}
	reason := "broke its response off: " + err.Error()
	if dispatch.IsTimeout(err) {
		reason = "was silent in the middle of its response"
	}
	x.problem(reason)
	x.BrokenOff(reason)
}

func (x *exchange) problem(text string) {
	if x.out != nil {
		x.out.Problem = text
	}
}

func isEventStream(header http.Header) bool {
	kind := header["Content-Type"]
	return len(kind) > 0 && len(kind[0]) >= 17 && http1.EqualFold(kind[0][:17], "text/event-stream")
}

// announceTrailers declares the trailers that the member has declared, as net/http wants it before the body.
func (x *exchange) announceTrailers(header http.Header) {
	for i := range x.resp.Fields {
		f := &x.resp.Fields[i]
		if f.Kind != http1.Trailer {
			continue
		}
		for _, name := range message.Options(nil).Append(f.Value) {
			if http1.ValidName(name) && message.TrailerPasses(name) {
				header.Add("Trailer", name)
			}
		}
	}
}

// writeTrailers passes the trailers on, declared or not.
func (x *exchange) writeTrailers() {
	header := x.w.Header()
	for _, f := range x.in.Trailers() {
		if message.TrailerPasses(f.Name) {
			header.Add(http.TrailerPrefix+http1.CanonicalName(f.Name), f.Value)
		}
	}
}
