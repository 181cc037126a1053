package route

import (
	"net/netip"
	"strings"
)

// forwardedNodes hands the node of every "for" in one line of a Forwarded header (RFC 7239 §4) to found, in their order, and
// reports whether the line is well formed; what comes before a fault has been handed on then. White space around the
// separators, unquoted brackets and colons in nodes, and empty elements are accepted, as they are common and hide nothing;
// a second "for" in one element is a fault.
func forwardedNodes(line string, found func(node string)) bool {
	named := false
	for line = trimLeft(line); line != ""; line = trimLeft(line) {
		if c := line[0]; c == ',' || c == ';' {
			named = named && c == ';'
			line = line[1:]
			continue
		}
		name, rest, ok := strings.Cut(line, "=")
		if !ok || strings.ContainsAny(name, " \t,;\"") {
			return false
		}
		value, rest, ok := cutValue(rest)
		if !ok {
			return false
		}
		if strings.EqualFold(name, "for") {
			if named {
				return false
			}
			named = true
			found(value)
		}
		line = trimLeft(rest)
		if line != "" && line[0] != ',' && line[0] != ';' {
			return false
		}
	}
	return true
}

func trimLeft(s string) string { return strings.TrimLeft(s, " \t") }

// cutValue cuts the value of a pair, a token or a quoted string (RFC 9110 §5.6.4), from the head of s.
func cutValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, " \t,;\"")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], end > 0
	}
	escaped := false
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			if value = s[1:i]; escaped {
				value = unescape(value)
			}
			return value, s[i+1:], true
		}
	}
	return "", "", false
}

// unescape removes the backslashes of a quoted string's escaped bytes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// parseNode reads the address of a node: IPv4, or IPv6 with or without brackets, with or without a port. "unknown" and
// obfuscated identifiers (RFC 7239 §6.2, §6.3) are not addresses.
func parseNode(s string) (netip.Addr, bool) {
	if strings.HasPrefix(s, "[") {
		literal, port, closed := strings.Cut(s[1:], "]")
		if !closed || port != "" && (port[0] != ':' || !isNodePort(port[1:])) {
			return netip.Addr{}, false
		}
		addr, ok := parseAddr(literal)
		return addr, ok && strings.Contains(literal, ":")
	}
	if host, port, found := strings.Cut(s, ":"); found && !strings.Contains(port, ":") {
		addr, ok := parseAddr(host)
		return addr, ok && isNodePort(port)
	}
	return parseAddr(s)
}

// parseAddr reads an address without port and brackets. A zone means something on the sender's machine only: it is removed
// from link-local addresses, and on others it is a fault.
func parseAddr(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" && !addr.IsLinkLocalUnicast() {
		return netip.Addr{}, false
	}
	return clean(addr), true
}

// isNodePort reports whether s is a node's port: a number, or an obfuscated one.
func isNodePort(s string) bool {
	if !strings.HasPrefix(s, "_") {
		return s != "" && isPort(s)
	}
	return len(s) > 1 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}
