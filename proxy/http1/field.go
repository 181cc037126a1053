package http1

import "strings"

// Kind tells the fields apart that the protocol itself acts on.
type Kind uint8

// The kinds. HopByHop are the fields that end at every recipient besides those with a kind of their own (RFC 9110 §7.6.1, and what
// old proxies made of it).
const (
	Other Kind = iota
	ContentLength
	TransferEncoding
	Connection
	Upgrade
	Trailer
	TE
	Expect
	Host
	HopByHop
)

// KindOf returns the kind of a field by its name.
func KindOf[T text](name T) Kind {
	switch len(name) {
	case 2:
		if EqualFold(name, "te") {
			return TE
		}
	case 4:
		if EqualFold(name, "host") {
			return Host
		}
	case 6:
		if EqualFold(name, "expect") {
			return Expect
		}
	case 7:
		if EqualFold(name, "upgrade") {
			return Upgrade
		}
		if EqualFold(name, "trailer") {
			return Trailer
		}
	case 10:
		if EqualFold(name, "connection") {
			return Connection
		}
		if EqualFold(name, "keep-alive") {
			return HopByHop
		}
	case 14:
		if EqualFold(name, "content-length") {
			return ContentLength
		}
	case 16:
		if EqualFold(name, "proxy-connection") {
			return HopByHop
		}
	case 17:
		if EqualFold(name, "transfer-encoding") {
			return TransferEncoding
		}
	case 18:
		if EqualFold(name, "proxy-authenticate") {
			return HopByHop
		}
	case 19:
		if EqualFold(name, "proxy-authorization") {
			return HopByHop
		}
	}
	return Other
}

// Field is one header line. Name and Value are parts of the string the head was parsed from.
type Field struct {
	Name, Value string
	Kind        Kind
}

// line cuts the first line off s. ok is false if s holds no whole line; err tells of a line that is not ended by CR LF.
func line(s string) (first, rest string, ok bool, err error) {
	end := strings.IndexByte(s, '\n')
	if end < 0 {
		return "", s, false, nil
	}
	if end == 0 || s[end-1] != '\r' {
		return "", s, false, ErrBareLF
	}
	return s[:end-1], s[end+1:], true, nil
}

// parseField parses one header line without its end (RFC 9112 §5).
func parseField(s string) (Field, error) {
	if s[0] == ' ' || s[0] == '\t' {
		return Field{}, ErrFolded
	}
	end := 0
	for end < len(s) && class[s[end]]&tokenByte != 0 {
		end++
	}
	if end == 0 || end == len(s) || s[end] != ':' {
		return Field{}, ErrFieldName
	}
	f := Field{Name: s[:end], Value: trim(s[end+1:])}
	if !ValidValue(f.Value) {
		return Field{}, ErrFieldValue
	}
	f.Kind = KindOf(f.Name)
	return f, nil
}

// parseFields appends the fields of a section that ends with an empty line; nothing may follow that line.
func parseFields(dst []Field, s string, most int) ([]Field, error) {
	for {
		first, rest, ok, err := line(s)
		if err != nil {
			return dst, err
		}
		if !ok {
			return dst, ErrFieldName
		}
		if len(first) == 0 {
			if len(rest) != 0 {
				return dst, ErrFieldName
			}
			return dst, nil
		}
		if len(dst) == most {
			return dst, ErrTooManyFields
		}
		f, err := parseField(first)
		if err != nil {
			return dst, err
		}
		dst = append(dst, f)
		s = rest
	}
}

// parseLength parses a Content-Length: digits only, no list, below 10^18.
func parseLength[T text](s T) (int64, error) {
	if len(s) == 0 || len(s) > 18 {
		return 0, ErrContentLength
	}
	var n int64
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, ErrContentLength
		}
		n = n*10 + int64(c-'0')
	}
	return n, nil
}

// framing gathers what the fields of one message say about its length and its connection.
type framing struct {
	length      int64 // -1 while none is given
	chunked     bool
	close, keep bool
	upgrade     bool // Connection lists upgrade
}

func (m *framing) see(f *Field) error {
	switch f.Kind {
	case ContentLength:
		if m.length >= 0 {
			return ErrContentLength
		}
		n, err := parseLength(f.Value)
		if err != nil {
			return err
		}
		m.length = n
	case TransferEncoding:
		if m.chunked || !EqualFold(f.Value, "chunked") {
			return ErrTransferEncoding
		}
		m.chunked = true
	case Connection:
		m.close = m.close || HasToken(f.Value, "close")
		m.keep = m.keep || HasToken(f.Value, "keep-alive")
		m.upgrade = m.upgrade || HasToken(f.Value, "upgrade")
	default:
		return nil
	}
	if m.chunked && m.length >= 0 {
		return ErrAmbiguousLength
	}
	return nil
}
