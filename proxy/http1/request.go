package http1

// Request is a parsed request head. Its strings are parts of the one it was parsed from; a Request may be used again and keeps its
// memory.
type Request struct {
	// Minor is the x of HTTP/1.x.
	Minor          int
	Method, Target string
	// Host is the value of the one Host field; empty is possible only where HTTP/1.0 has none.
	Host   string
	Fields []Field
	// Length is the Content-Length, -1 if there is none. Chunked tells of Transfer-Encoding: chunked.
	Length  int64
	Chunked bool
	// Close says that the sender will send no further request on this connection; Upgrade that it offers another protocol.
	Close, Upgrade bool
}

// Parse reads one whole head, from the request line to the empty line, and checks everything RFC 9112 lets one check.
func (r *Request) Parse(head string, limits Limits) error {
	*r = Request{Fields: r.Fields[:0], Length: -1}
	first, rest, ok, err := line(head)
	if err != nil {
		return err
	}
	if !ok {
		return ErrRequestLine
	}
	if r.Method, r.Target, r.Minor, err = parseRequestLine(first); err != nil {
		return err
	}
	r.Fields, err = parseFields(r.Fields, rest, limits.fields())
	if err != nil {
		return err
	}
	check := requestCheck{framing: framing{length: -1}, minor: r.Minor}
	for i := range r.Fields {
		if err := check.see(&r.Fields[i]); err != nil {
			return err
		}
		if r.Fields[i].Kind == Host {
			r.Host = r.Fields[i].Value
		}
	}
	if err := check.end(); err != nil {
		return err
	}
	r.Length, r.Chunked = check.length, check.chunked
	r.Close = check.close || r.Minor == 0 && !check.keep
	r.Upgrade = check.upgrade && check.protocol
	return nil
}

// Framing returns how the body that follows is delimited (RFC 9112 §6.3): a request never ends with its connection.
func (r *Request) Framing() Framing {
	switch {
	case r.Chunked:
		return Framing{Kind: Chunked}
	case r.Length > 0:
		return Framing{Kind: Sized, Length: r.Length}
	}
	return Framing{Kind: NoBody}
}

// parseRequestLine takes "GET /path HTTP/1.1": single blanks, and nothing but visible bytes in the target (RFC 9112 §3).
func parseRequestLine(s string) (method, target string, minor int, err error) {
	end := 0
	for end < len(s) && class[s[end]]&tokenByte != 0 {
		end++
	}
	if end == 0 || len(s)-end < len(" / HTTP/1.1") || s[end] != ' ' {
		return "", "", 0, ErrRequestLine
	}
	tail := len(s) - len(" HTTP/1.1")
	method, target = s[:end], s[end+1:tail]
	if s[tail] != ' ' || !ValidTarget(target) {
		return "", "", 0, ErrRequestLine
	}
	switch s[tail+1:] {
	case "HTTP/1.1":
		return method, target, 1, nil
	case "HTTP/1.0":
		return method, target, 0, nil
	}
	return "", "", 0, ErrVersion
}

// requestCheck follows the fields of one request head.
type requestCheck struct {
	framing
	minor    int
	hosts    int
	protocol bool // there is an Upgrade field
}

func (c *requestCheck) see(f *Field) error {
	switch f.Kind {
	case Other:
		return nil
	case Host:
		if c.hosts++; c.hosts > 1 || !validHost(f.Value) {
			return ErrHost
		}
		return nil
	case Upgrade:
		c.protocol = true
		return nil
	}
	return c.framing.see(f)
}

// end checks what only the whole head shows.
func (c *requestCheck) end() error {
	if c.minor == 1 && c.hosts == 0 {
		return ErrHost
	}
	if c.minor == 0 && c.chunked {
		return ErrTransferEncoding
	}
	return nil
}

// validHost reports whether s is free of the bytes that make two readers see two hosts in it. An empty Host is legal (RFC 9112
// §3.2); what is a host name is for others to decide.
func validHost(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ', c == 0x7f, c == ',', c == '/', c == '\\', c == '@', c == '?', c == '#', c == '"', c == '<', c == '>':
			return false
		}
	}
	return true
}
