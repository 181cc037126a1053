package http1

import (
	"bytes"
	"io"
)

// FramingKind is a way to delimit a body.
type FramingKind uint8

// The ways of RFC 9112 §6.3.
const (
	NoBody FramingKind = iota
	Sized
	Chunked
	UntilClose
)

// Framing says how a body is delimited; Length is for Sized only.
type Framing struct {
	Kind   FramingKind
	Length int64
}

// Body decodes one message body in its Reader's buffer, without copying it.
type Body struct {
	src      *Reader
	framing  Framing
	left     int64 // bytes to come of a sized body, or of the chunk
	place    place
	trailers []Field
}

// place is where in the body's framing the decoder stands.
type place uint8

const (
	inData place = iota
	atChunk
	afterChunk
	atTrailers
	atEnd
)

// Reset prepares the body to decode what src delivers next.
func (b *Body) Reset(src *Reader, f Framing) {
	*b = Body{src: src, framing: f, left: f.Length, trailers: b.trailers[:0]}
	switch f.Kind {
	case NoBody:
		b.place = atEnd
	case Chunked:
		b.left, b.place = 0, atChunk
	}
}

// Next returns the next piece of the body, valid until the next call, reading from the connection only if nothing is buffered.
// It returns io.EOF at the body's proper end, and io.ErrUnexpectedEOF where the connection ended before.
func (b *Body) Next() ([]byte, error) {
	for {
		ready, err := b.advance()
		if err != nil {
			return nil, err
		}
		if b.place == atEnd {
			return nil, io.EOF
		}
		if ready {
			return b.take(), nil
		}
		err = b.src.Fill()
		if err == io.EOF {
			if b.framing.Kind == UntilClose {
				b.place = atEnd
				return nil, io.EOF
			}
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
	}
}

// More reports whether Next would answer without reading from the connection: false is the moment to flush.
func (b *Body) More() bool {
	ready, err := b.advance()
	return ready || err != nil || b.place == atEnd
}

// Ended reports whether the body's proper end was reached, so that the connection is at the start of the next message.
func (b *Body) Ended() bool { return b.place == atEnd && b.framing.Kind != UntilClose }

// Left returns how many bytes of a sized body are still to come, -1 for other bodies.
func (b *Body) Left() int64 {
	if b.framing.Kind == Sized {
		return b.left
	}
	return -1
}

// Skip notes that n bytes of a sized body were taken from the connection itself. The Reader must hold none of them.
func (b *Body) Skip(n int64) {
	if b.left -= n; b.left == 0 {
		b.place = atEnd
	}
}

// Trailers returns the trailer fields once Next has returned io.EOF, valid until the next Reset.
func (b *Body) Trailers() []Field { return b.trailers }

// take cuts a piece off the buffer; there is at least one byte of the body in it.
func (b *Body) take() []byte {
	p := b.src.Bytes()
	if b.framing.Kind == UntilClose {
		b.src.Discard(len(p))
		return p
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	b.src.Discard(len(p))
	if b.left -= int64(len(p)); b.left == 0 {
		b.place = atEnd
		if b.framing.Kind == Chunked {
			b.place = afterChunk
		}
	}
	return p
}

// advance consumes buffered framing up to the next data or the end. ready tells that data is at hand.
func (b *Body) advance() (ready bool, err error) {
	for {
		have := b.src.Bytes()
		switch b.place {
		case inData:
			return len(have) > 0, nil
		case atEnd:
			return false, nil
		case afterChunk:
			if len(have) < 2 {
				return false, nil
			}
			if have[0] != '\r' || have[1] != '\n' {
				return false, ErrChunk
			}
			b.src.Discard(2)
			b.place = atChunk
		case atChunk:
			if ok, err := b.chunkLine(have); !ok || err != nil {
				return false, err
			}
		case atTrailers:
			if ok, err := b.trailerSection(have); !ok || err != nil {
				return false, err
			}
		}
	}
}

func (b *Body) chunkLine(have []byte) (ok bool, err error) {
	end := bytes.IndexByte(have, '\n')
	switch {
	case end < 0 && len(have) <= maxChunkLine:
		return false, nil
	case end < 1 || end > maxChunkLine || have[end-1] != '\r':
		return false, ErrChunk
	}
	size, err := chunkSize(have[:end-1])
	if err != nil {
		return false, err
	}
	b.src.Discard(end + 1)
	b.left, b.place = size, inData
	if size == 0 {
		b.place = atTrailers
	}
	return true, nil
}

func (b *Body) trailerSection(have []byte) (ok bool, err error) {
	end := 0
	switch {
	case len(have) >= 2 && have[0] == '\r' && have[1] == '\n':
		end = 2
	case len(have) >= 2:
		i := bytes.Index(have, headEnd)
		if i < 0 && len(have) > maxTrailers || i > maxTrailers || i < 0 && hasBareLF(have, 0) {
			return false, ErrTrailers
		}
		if i < 0 {
			return false, nil
		}
		end = i + len(headEnd)
	default:
		return false, nil
	}
	b.trailers, err = parseFields(b.trailers[:0], string(have[:end]), defaultFields)
	if err != nil {
		return false, ErrTrailers
	}
	b.src.Discard(end)
	b.place = atEnd
	return true, nil
}

// chunkSize parses a chunk's first line without its end (RFC 9112 §7.1): hexadecimal digits, then blanks or extensions, which
// are checked for control characters and otherwise ignored. Blanks before an extension are an error, as they are to net/http.
func chunkSize(s []byte) (int64, error) {
	var size int64
	digits := 0
	for ; digits < len(s); digits++ {
		c := lower(s[digits])
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			c = 16
		}
		if c == 16 {
			break
		}
		if digits == 15 {
			return 0, ErrChunk
		}
		size = size<<4 | int64(c)
	}
	rest := s[digits:]
	if len(trim(rest)) == 0 {
		rest = nil // blanks that some servers pad it with
	}
	if digits == 0 || len(rest) > 0 && rest[0] != ';' || !ValidValue(rest) {
		return 0, ErrChunk
	}
	return size, nil
}
