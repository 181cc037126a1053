package http1

import "errors"

// Limits bound what one message may make us hold. The zero value of a field stands for its default.
type Limits struct {
	// Head is the most bytes of a head, its empty line included; 64 KiB by default.
	Head int
	// Fields is the most header lines; 256 by default.
	Fields int
}

const (
	defaultHead   = 64 << 10
	defaultFields = 256
	// maxChunkLine bounds a chunk's size and extensions. Nobody uses extensions, and what is skipped costs us without limit.
	maxChunkLine = 256
	// maxTrailers bounds a trailer section.
	maxTrailers = 16 << 10
)

func (l Limits) head() int {
	if l.Head > 0 {
		return l.Head
	}
	return defaultHead
}

func (l Limits) fields() int {
	if l.Fields > 0 {
		return l.Fields
	}
	return defaultFields
}

// Each error names one way in which a message breaks RFC 9112 or our limits. They carry no bytes of the message, which may hold
// secrets or control characters.
var (
	ErrHeadTooLarge     = errors.New("head is larger than allowed")
	ErrTooManyFields    = errors.New("head has more fields than allowed")
	ErrBareLF           = errors.New("line ends without a carriage return")
	ErrStatusLine       = errors.New("malformed status line")
	ErrRequestLine      = errors.New("malformed request line")
	ErrVersion          = errors.New("version is neither HTTP/1.0 nor HTTP/1.1")
	ErrFieldName        = errors.New("malformed field name")
	ErrFieldValue       = errors.New("control character in a field value")
	ErrFolded           = errors.New("folded field line")
	ErrHost             = errors.New("missing, repeated or malformed Host")
	ErrContentLength    = errors.New("malformed or repeated Content-Length")
	ErrTransferEncoding = errors.New("transfer encoding is not exactly chunked")
	ErrAmbiguousLength  = errors.New("both Content-Length and Transfer-Encoding")
	ErrChunk            = errors.New("malformed chunk")
	ErrTrailers         = errors.New("malformed or oversized trailers")
)
