package forward

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// source is the client's request body as the HTTP/2 transport reads it. The transport may still read when its caller has returned,
// which must not reach a request whose handler is over.
type source struct {
	r      *http.Request
	client *client
	stall  time.Duration
	out    *Outcome

	mu     sync.Mutex // held while reading
	ended  bool
	state  sync.Mutex
	unread error
	whole  bool
}

var _ io.ReadCloser = (*source)(nil)

func (s *source) begin(x *exchange) {
	if x.r.ProtoMajor == 1 {
		_ = http.NewResponseController(x.w).EnableFullDuplex()
	}
	s.r, s.client, s.stall, s.out = x.r, clientOf(x.w, x.r), x.Pool.Spec.StallTimeout, x.out
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return 0, http.ErrBodyReadAfterClose
	}
	s.client.readWithin(s.stall)
	n, err := s.r.Body.Read(p)
	if s.out != nil {
		s.out.Sent += int64(n)
	}
	if err == nil {
		return n, nil
	}
	s.state.Lock()
	defer s.state.Unlock()
	if err == io.EOF {
		s.whole = true
		s.client.readUnbound()
	} else {
		s.unread = err
	}
	return n, err
}

// Close leaves the client's body open: it may have to be sent to another member, if nothing of it was read.
func (s *source) Close() error { return nil }

// finished reports whether there is nothing more to read.
func (s *source) finished() bool {
	s.state.Lock()
	defer s.state.Unlock()
	return s.r == nil || s.whole
}

// failed returns why the client's body could not be read, nil if that is not what went wrong.
func (s *source) failed() error {
	s.state.Lock()
	defer s.state.Unlock()
	return s.unread
}

// end stops reading for good.
func (s *source) end(x *exchange) {
	if s.finished() {
		return
	}
	x.leaveUnread(s.client)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}
