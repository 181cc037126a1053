package route

import (
	"net/netip"
	"strconv"
	"strings"
)

// The longest label and name of RFC 1035 §2.3.4, the name without its trailing dot.
const (
	maxLabel = 63
	maxName  = 253
)

// Normalise returns the name in a Host header, :authority or DNS question as the snapshot knows it: without port, brackets and
// trailing dot, in lower case. It reports false for what is no host name: bytes other than letters, digits, hyphens and
// underscores (international names must come as A-labels, as RFC 9110 §4.2 has it), empty or over-long labels, bad ports.
// Nothing at all and IP literals are names that no service can claim, not errors. A name that is normal already is returned as
// it is, without allocation.
func Normalise(host string) (string, bool) {
	if strings.HasPrefix(host, "[") {
		return normaliseIPv6(host)
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		if !isPort(host[i+1:]) {
			return "", false
		}
		host = host[:i]
	}
	host = strings.TrimSuffix(host, ".")
	if host == "" {
		return "", true
	}
	upper, ok := scanName(host)
	if !ok {
		return "", false
	}
	if upper {
		host = strings.ToLower(host)
	}
	return host, true
}

// scanName reports whether s is a well-formed name, and whether it has upper-case letters. The name ends where s does: a
// trailing dot is an empty label.
func scanName(s string) (upper, ok bool) {
	if len(s) > maxName {
		return false, false
	}
	label := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.':
			if label == 0 {
				return false, false
			}
			label = 0
			continue
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case 'A' <= c && c <= 'Z':
			upper = true
		default:
			return false, false
		}
		if label++; label > maxLabel {
			return false, false
		}
	}
	return upper, label > 0
}

// normaliseIPv6 returns the canonical text of an IP literal in brackets, with or without a port. A zone, which may be of any bytes and
// means something to the client's machine only (RFC 6874 §4), is left out.
func normaliseIPv6(host string) (string, bool) {
	literal, port, closed := strings.Cut(host[1:], "]")
	if !closed || port != "" && (port[0] != ':' || !isPort(port[1:])) {
		return "", false
	}
	addr, err := netip.ParseAddr(literal)
	if err != nil || !addr.Is6() {
		return "", false
	}
	return addr.WithZone("").String(), true
}

// isPort reports whether s is the port of an authority, which RFC 3986 §3.2.3 allows to be empty.
func isPort(s string) bool {
	if s == "" {
		return true
	}
	if s[0] < '0' || s[0] > '9' {
		return false
	}
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}
