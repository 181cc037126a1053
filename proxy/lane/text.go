package lane

import "unsafe"

// view lets a head be parsed where it lies, without a copy. What comes from it is valid as long as those bytes stay as they are.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// canonical maps the bytes of a field's name to those of its canonical form, at the beginning of a word and within it.
var first, within = func() (first, within [256]byte) {
	for i := range 256 {
		c := byte(i)
		first[i], within[i] = c, c
		if c >= 'a' && c <= 'z' {
			first[i] = c - ('a' - 'A')
		}
		if c >= 'A' && c <= 'Z' {
			within[i] = c + ('a' - 'A')
		}
	}
	return first, within
}()

// appendName appends a field's name in the form that net/http gives it, so that members and clients see the same through every door.
func appendName(dst []byte, name string) []byte {
	dst = append(dst, name...)
	table := &first
	written := dst[len(dst)-len(name):]
	for i, c := range written {
		written[i] = table[c]
		table = &within
		if c == '-' {
			table = &first
		}
	}
	return dst
}

// appendField appends a line whose name and value have come from a parsed head, so that they are valid.
func appendField(dst []byte, name, value string) []byte {
	dst = append(appendName(dst, name), ": "...)
	return append(append(dst, value...), "\r\n"...)
}

// plainTarget reports whether a request target is a path, with or without a query, that every parser reads alike and nobody writes
// otherwise: nothing but printable ASCII, in the path without what a URL must escape, and its escapes well formed. Others are for net/http
// to judge and to write.
func plainTarget(s string) bool {
	if len(s) == 0 || s[0] != '/' {
		return false
	}
	query := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 0x7f || c <= ' ' || c == '#':
			return false
		case query:
		case c == '?':
			query = true
		case odd[c]:
			return false
		case c == '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return false
			}
		}
	}
	return true
}

// odd are the printable bytes that stand in no path (RFC 3986 §3.3).
var odd = func() (table [256]bool) {
	for _, c := range "\"<>[\\]^`{|}" {
		table[c] = true
	}
	return table
}()

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
