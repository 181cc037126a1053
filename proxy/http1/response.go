package http1

// Response is a parsed response head. Its strings are parts of the one it was parsed from; a Response may be used again and keeps
// its memory.
type Response struct {
	// Minor is the x of HTTP/1.x.
	Minor  int
	Status int
	Reason string
	Fields []Field
	// Length is the Content-Length, -1 if there is none. Chunked tells of Transfer-Encoding: chunked.
	Length  int64
	Chunked bool
	// Close says that the sender will not read another request on this connection (RFC 9112 §9.3).
	Close bool
}

// Parse reads one whole head, from the status line to the empty line, and checks everything RFC 9112 lets one check.
func (r *Response) Parse(head string, limits Limits) error {
	*r = Response{Fields: r.Fields[:0], Length: -1}
	first, rest, ok, err := line(head)
	if err != nil {
		return err
	}
	if !ok {
		return ErrStatusLine
	}
	if err := r.parseStatusLine(first); err != nil {
		return err
	}
	r.Fields, err = parseFields(r.Fields, rest, limits.fields())
	if err != nil {
		return err
	}
	m := framing{length: -1}
	for i := range r.Fields {
		if r.Fields[i].Kind == Other {
			continue
		}
		if err := m.see(&r.Fields[i]); err != nil {
			return err
		}
	}
	if m.chunked && r.Minor == 0 {
		return ErrTransferEncoding
	}
	r.Length, r.Chunked = m.length, m.chunked
	r.Close = m.close || r.Minor == 0 && !m.keep
	return nil
}

// parseStatusLine takes "HTTP/1.1 200 OK"; the blank before an empty reason may be missing, as many servers leave it out.
func (r *Response) parseStatusLine(s string) error {
	if len(s) < len("HTTP/1.1 200") || s[:7] != "HTTP/1." {
		return ErrStatusLine
	}
	switch s[7] {
	case '0', '1':
		r.Minor = int(s[7] - '0')
	default:
		return ErrVersion
	}
	if s[8] != ' ' || len(s) > 12 && s[12] != ' ' {
		return ErrStatusLine
	}
	for i := 9; i < 12; i++ {
		c := s[i]
		if c < '0' || c > '9' {
			return ErrStatusLine
		}
		r.Status = r.Status*10 + int(c-'0')
	}
	if r.Status < 100 {
		return ErrStatusLine
	}
	if len(s) > 12 {
		r.Reason = s[13:]
	}
	if !ValidValue(r.Reason) {
		return ErrStatusLine
	}
	return nil
}

// Framing returns how the body that follows is delimited, for the answer to a request with that method (RFC 9112 §6.3).
func (r *Response) Framing(method string) Framing {
	switch {
	case method == "HEAD", r.Status < 200, r.Status == 204, r.Status == 304:
		return Framing{Kind: NoBody}
	case method == "CONNECT" && r.Status < 300:
		return Framing{Kind: NoBody}
	case r.Chunked:
		return Framing{Kind: Chunked}
	case r.Length == 0:
		return Framing{Kind: NoBody}
	case r.Length > 0:
		return Framing{Kind: Sized, Length: r.Length}
	}
	return Framing{Kind: UntilClose}
}
