package http1

import "bytes"

// scanner follows the requests of one connection as their bytes pass by, in pieces of any size, and finds the first byte from which
// on they are not what RFC 9112 allows. It keeps nothing of them but an unfinished line.
type scanner struct {
	at     stage
	carry  []byte // the beginning of a line whose end has not come
	left   int64  // bytes of a sized body or chunk to come
	size   int    // bytes of the head or trailers so far
	fields int
	check  requestCheck
	method switching // what the head seen last may lead to
	headed bool      // a head has ended since somebody last looked
	begun  bool      // something has passed
	limits Limits
}

// stage is the part of a request that comes next.
type stage uint8

const (
	atRequestLine stage = iota
	atField
	inSized
	atSize
	inChunk
	atChunkEnd
	atTrailer
	passive // no HTTP/1 any more
)

// inHead reports whether a request's head comes next, or the rest of one.
func (s *scanner) inHead() bool { return s.at == atRequestLine || s.at == atField }

// switching is what a request asks for that ends HTTP on its connection, if the answer agrees.
type switching uint8

const (
	staysHTTP switching = iota
	wantsUpgrade
	wantsTunnel
)

// preface is the first line of HTTP/2 (RFC 9113 §3.4).
const preface = "PRI * HTTP/2.0"

// scan looks at the next bytes. It returns how many of them may pass; all of them if err is nil.
func (s *scanner) scan(p []byte) (n int, err error) {
	for n < len(p) {
		rest := p[n:]
		switch s.at {
		case passive:
			return len(p), nil
		case inSized, inChunk:
			n += s.skip(len(rest))
			continue
		}
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			return s.keep(p, n)
		}
		text := rest[:end+1]
		if len(s.carry) > 0 {
			s.carry = append(s.carry, text...)
			text = s.carry
		}
		if err := s.line(text); err != nil {
			return n, err
		}
		s.carry = s.carry[:0]
		s.begun = true
		n += end + 1
	}
	return n, nil
}

// skip passes over n bytes of a body, or those that belong to it.
func (s *scanner) skip(n int) int {
	if int64(n) < s.left {
		s.left -= int64(n)
		return n
	}
	n, s.left = int(s.left), 0
	if s.at == inChunk {
		s.at = atChunkEnd
	} else {
		s.next()
	}
	return n
}

// keep notes the beginning of a line that is not whole yet.
func (s *scanner) keep(p []byte, n int) (int, error) {
	s.carry = append(s.carry, p[n:]...)
	if len(s.carry)+s.size > s.most() {
		return n, s.tooLong()
	}
	return len(p), nil
}

// most is how long the section may be that the present line is part of.
func (s *scanner) most() int {
	switch s.at {
	case atSize, atChunkEnd:
		return maxChunkLine
	case atTrailer:
		return maxTrailers
	}
	return s.limits.head()
}

func (s *scanner) tooLong() error {
	switch s.at {
	case atSize, atChunkEnd:
		return ErrChunk
	case atTrailer:
		return ErrTrailers
	}
	return ErrHeadTooLarge
}

// line takes one whole line with its end.
func (s *scanner) line(text []byte) error {
	if len(text) < 2 || text[len(text)-2] != '\r' {
		return ErrBareLF
	}
	if s.at == atRequestLine || s.at == atField || s.at == atTrailer {
		s.size += len(text)
	}
	if s.size > s.most() {
		return s.tooLong()
	}
	text = text[:len(text)-2]
	switch s.at {
	case atRequestLine:
		return s.requestLine(text)
	case atField:
		return s.field(text)
	case atSize:
		return s.chunk(text)
	case atChunkEnd:
		if len(text) > 0 {
			return ErrChunk
		}
		s.at = atSize
		return nil
	}
	return s.trailer(text)
}

func (s *scanner) requestLine(text []byte) error {
	if !s.begun && string(text) == preface {
		s.at = passive
		return nil
	}
	if len(text) == 0 && s.begun {
		return nil // old clients send an empty line after a body (RFC 9112 §2.2)
	}
	method, _, minor, err := parseRequestLine(view(text))
	if err != nil {
		return err
	}
	s.check = requestCheck{framing: framing{length: -1}, minor: minor}
	s.method = staysHTTP
	if method == "CONNECT" {
		s.method = wantsTunnel
	}
	s.fields, s.at = 0, atField
	return nil
}

func (s *scanner) field(text []byte) error {
	if len(text) == 0 {
		return s.headEnd()
	}
	if s.fields++; s.fields > s.limits.fields() {
		return ErrTooManyFields
	}
	f, err := parseField(view(text))
	if err != nil {
		return err
	}
	return s.check.see(&f)
}

func (s *scanner) headEnd() error {
	if err := s.check.end(); err != nil {
		return err
	}
	if s.method == staysHTTP && s.check.upgrade && s.check.protocol {
		s.method = wantsUpgrade
	}
	s.size, s.headed = 0, true
	switch {
	case s.check.chunked:
		s.at = atSize
	case s.check.length > 0:
		s.at, s.left = inSized, s.check.length
	default:
		s.next()
	}
	return nil
}

func (s *scanner) chunk(text []byte) error {
	size, err := chunkSize(text)
	if err != nil || len(text) > maxChunkLine {
		return ErrChunk
	}
	s.left, s.at = size, inChunk
	if size == 0 {
		s.at = atTrailer
	}
	return nil
}

func (s *scanner) trailer(text []byte) error {
	if len(text) == 0 {
		s.next()
		return nil
	}
	f, err := parseField(view(text))
	if err != nil {
		return ErrTrailers
	}
	if f.Kind != Other {
		return ErrTrailers
	}
	return nil
}

// next prepares for the next request.
func (s *scanner) next() {
	s.at, s.size = atRequestLine, 0
}
