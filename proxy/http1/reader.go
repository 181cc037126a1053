package http1

import (
	"bytes"
	"io"
	"sync"
)

// The sizes of read buffers: most messages fit the small one; what is larger is moved with fewer reads by the large one.
const (
	smallBuffer = 8 << 10
	largeBuffer = 64 << 10
)

var (
	smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// Reader buffers what comes from one connection. It takes its buffer from a pool with the first read and gives it back by Release,
// so that an idle connection holds none. It must not be used by two goroutines at once.
type Reader struct {
	src  io.Reader
	buf  []byte
	r, w int
	lent bool // buf is somebody else's
}

// Reset makes the reader read from src. It must hold no buffer.
func (b *Reader) Reset(src io.Reader) { *b = Reader{src: src} }

// Buffered returns the number of bytes that can be had without reading.
func (b *Reader) Buffered() int { return b.w - b.r }

// Bytes returns the bytes that can be had without reading, valid until the next method is called.
func (b *Reader) Bytes() []byte { return b.buf[b.r:b.w] }

// Discard takes n buffered bytes off.
func (b *Reader) Discard(n int) { b.r += n }

// Release gives the buffer back to its pool; buffered bytes are lost.
func (b *Reader) Release() {
	b.recycle()
	b.buf, b.r, b.w, b.lent = nil, 0, 0, false
}

func (b *Reader) recycle() {
	switch {
	case b.lent:
	case len(b.buf) == smallBuffer:
		smallBuffers.Put((*[smallBuffer]byte)(b.buf))
	case len(b.buf) == largeBuffer:
		largeBuffers.Put((*[largeBuffer]byte)(b.buf))
	}
}

// grow replaces the buffer by one of at least size bytes.
func (b *Reader) grow(size int) {
	var buf []byte
	switch {
	case size <= smallBuffer:
		buf = smallBuffers.Get().(*[smallBuffer]byte)[:]
	case size <= largeBuffer:
		buf = largeBuffers.Get().(*[largeBuffer]byte)[:]
	default:
		buf = make([]byte, size)
	}
	n := copy(buf, b.buf[b.r:b.w])
	b.recycle()
	b.buf, b.r, b.w, b.lent = buf, 0, n, false
}

// Fill reads once from the connection and adds to what is buffered. A buffer that is full is replaced by a larger one.
func (b *Reader) Fill() error {
	switch {
	case b.buf == nil:
		b.grow(smallBuffer)
	case b.r == b.w:
		b.r, b.w = 0, 0
	case b.w == len(b.buf) && b.r > 0:
		b.w = copy(b.buf, b.buf[b.r:b.w])
		b.r = 0
	case b.w == len(b.buf):
		b.grow(2 * len(b.buf))
	}
	n, err := b.src.Read(b.buf[b.w:])
	b.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// Lend makes the reader use buf, of a size that none of its own buffers has, if it holds no buffer. The lender takes it back by Settle;
// one that has none lends nil.
func (b *Reader) Lend(buf []byte) {
	if b.buf == nil && buf != nil {
		b.buf, b.lent = buf, true
	}
}

// Settle gives a lent buffer back to its lender: what is buffered moves to a buffer of the reader's own, and if that is nothing, it holds
// none. Heads and pieces that were taken from a lent buffer are no longer valid.
func (b *Reader) Settle() {
	if !b.lent {
		return
	}
	if b.r == b.w {
		b.buf, b.r, b.w, b.lent = nil, 0, 0, false
		return
	}
	b.grow(max(smallBuffer, b.w-b.r))
}

// Unread gives back the n bytes that were taken off last, if nothing was read since.
func (b *Reader) Unread(n int) { b.r -= n }

// Widen changes to a large buffer, for a body that is known to need many reads.
func (b *Reader) Widen() {
	if len(b.buf) < largeBuffer {
		b.grow(largeBuffer)
	}
}

// Read implements io.Reader, for what follows a message without framing of its own.
func (b *Reader) Read(p []byte) (int, error) {
	if b.Buffered() == 0 {
		return b.src.Read(p)
	}
	n := copy(p, b.Bytes())
	b.r += n
	return n, nil
}

var headEnd = []byte("\r\n\r\n")

// Head returns the next head with its empty line, taken off the buffer and valid until the next read. It returns io.EOF only if
// the connection ended before the first byte, and io.ErrUnexpectedEOF later. A head that cannot become valid is refused before it
// is whole.
func (b *Reader) Head(limits Limits) ([]byte, error) {
	for searched := 0; ; {
		head, err := b.headFrom(limits, searched)
		if head != nil || err != nil {
			return head, err
		}
		searched = b.Buffered()
		if err := b.Fill(); err != nil {
			if err == io.EOF && searched > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// WholeHead is Head without reading: nil if the buffer holds no whole one.
func (b *Reader) WholeHead(limits Limits) ([]byte, error) { return b.headFrom(limits, 0) }

// headFrom looks for a head's end in the buffer, of which the first bytes were searched before.
func (b *Reader) headFrom(limits Limits, searched int) ([]byte, error) {
	most, have := limits.head(), b.Bytes()
	from := max(0, searched-len(headEnd)+1)
	if i := bytes.Index(have[from:], headEnd); i >= 0 {
		end := from + i + len(headEnd)
		if end > most {
			return nil, ErrHeadTooLarge
		}
		b.r += end
		return have[:end:end], nil
	}
	if len(have) >= most {
		return nil, ErrHeadTooLarge
	}
	if hasBareLF(have, from) {
		return nil, ErrBareLF
	}
	return nil, nil
}

func hasBareLF(s []byte, from int) bool {
	for {
		i := bytes.IndexByte(s[from:], '\n')
		if i < 0 {
			return false
		}
		if from+i == 0 || s[from+i-1] != '\r' {
			return true
		}
		from += i + 1
	}
}
