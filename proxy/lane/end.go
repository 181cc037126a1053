package lane

import (
	"strconv"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/http1"
)

// fail answers a request that no member has answered, as Caddy answers an error that no route handles: with a status and no body.
func (t *turn) fail(refusal *dispatch.Refusal) bool {
	x := t.x
	if x.member.conn != nil {
		t.dropMember()
	}
	x.record.Refusal, x.record.Status = refusal, refusal.Status
	if refusal.Status == dispatch.StatusClientGone {
		t.client.Abort()
		t.close()
		return false
	}
	if x.unread() { // the rest of the body may still come
		t.last = true
	}
	x.out = appendRefusal(x.out[:0], x.site, refusal, t.last, t.engine.now())
	t.state = ending
	t.flush()
	return true
}

// ReasonField is the response field that tells the client of a refused request why, in one stable word.
const ReasonField = "Fairlead-Reason"

func appendRefusal(dst []byte, site *Site, refusal *dispatch.Refusal, last bool, now time.Time) []byte {
	dst = appendStatus(dst, refusal.Status)
	if site.Server != "" {
		dst = append(append(append(dst, "Server: "...), site.Server...), "\r\n"...)
	}
	dst = append(append(append(dst, ReasonField+": "...), refusal.Word()...), "\r\n"...)
	if refusal.RetryAfter > 0 {
		seconds := (refusal.RetryAfter + time.Second - 1) / time.Second
		dst = append(strconv.AppendInt(append(dst, "Retry-After: "...), int64(seconds), 10), "\r\n"...)
	}
	dst = appendEnd(appendDate(dst, now), site, last)
	return append(http1.AppendLength(dst, 0), "\r\n"...)
}

// end waits until the client has taken the response, and goes on to the next request.
func (t *turn) end() bool {
	if t.client.Pending() {
		return false
	}
	unread, refused := t.x.unread(), t.x.record.Refusal != nil
	site := t.x.site
	t.x.finish(t)
	switch {
	case !t.last:
		t.state = atHead
		if t.in.Buffered() == 0 {
			t.in.Release()
		}
		if refused { // perhaps without any wait, and the client may have many more of these
			t.engine.yield(t)
		}
		return !refused
	case unread:
		return t.startLinger(site)
	}
	t.close()
	return false
}

// startLinger ends our side of the connection, and reads and drops what the client goes on sending for a while: closing a connection with
// unread bytes resets it, and what the client had not read is lost (RFC 9112 §9.6).
func (t *turn) startLinger(site *Site) bool {
	if t.client.CloseWrite() != nil {
		t.close()
		return false
	}
	t.in.Discard(t.in.Buffered())
	t.client.ExtendRead(t.engine.now(), site.Times.Linger)
	t.lingerUntil = t.engine.now().Add(site.Times.Linger)
	t.state = lingering
	return true
}

// linger reads and drops.
func (t *turn) linger() bool {
	for dropped := 0; t.engine.now().Before(t.lingerUntil); {
		if dropped >= quota {
			t.engine.yield(t)
			return false
		}
		t.in.Discard(t.in.Buffered())
		err := t.in.Fill()
		dropped += t.in.Buffered()
		if err == error(errAgain) {
			return false
		}
		if err != nil {
			break
		}
	}
	t.close()
	return false
}

// refuse answers what is no request, or one that two programs could read differently, in the words of net/http, and ends the connection.
func (t *turn) refuse(site *Site, err error) bool {
	why, answer := Malformed, badRequest
	if err == http1.ErrHeadTooLarge || err == http1.ErrTooManyFields {
		why, answer = HeadTooLarge, tooLarge
	}
	t.turned(site, why)
	t.client.ExtendWrite(t.engine.now(), site.Times.Linger)
	if t.client.Send(answer) != nil || t.client.Pending() {
		t.client.Abort()
		t.close()
		return false
	}
	return t.startLinger(site)
}

var (
	badRequest = []byte("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request")
	tooLarge   = []byte("HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n431 Request Header Fields Too Large")
)
