package pool

import (
	"errors"
	"fmt"
	"strings"
)

// ParseDomain returns the canonical form of a domain as services and the configuration write it: lower case, without a trailing
// dot, a wildcard as "*.example.com". The error says what is wrong with it.
//
// A domain is a host name of at least two labels (RFC 1123 §2.1): letters, digits and inner hyphens, at most 63 octets a label and
// 253 in all. Underscores are taken too, since container platforms make such names and clients send them. A last label of digits
// only is refused, because the name would read as an address. Other alphabets are taken as A-labels only (xn--…): two programs
// that map them differently would answer for different domains.
func ParseDomain(s string) (string, error) {
	name := lower(strings.TrimSuffix(s, "."))
	host := strings.TrimPrefix(name, "*.")
	if len(host) > 253 {
		return "", errors.New("not a domain: longer than 253 octets")
	}
	labels := 0
	for label := range strings.SplitSeq(host, ".") {
		if err := checkLabel(label); err != nil {
			return "", err
		}
		labels++
	}
	if labels < 2 {
		return "", fmt.Errorf("not a domain: %q has no dot", host)
	}
	if strings.Trim(host[strings.LastIndexByte(host, '.')+1:], "0123456789") == "" {
		return "", errors.New("not a domain: it ends in a number, as an address does")
	}
	return name, nil
}

func checkLabel(label string) error {
	if label == "" {
		return errors.New("not a domain: an empty label")
	}
	if len(label) > 63 {
		return fmt.Errorf("not a domain: label %.20q… is longer than 63 octets", label)
	}
	if label[0] == '-' || label[len(label)-1] == '-' {
		return fmt.Errorf("not a domain: label %q begins or ends with a hyphen", label)
	}
	for i := range len(label) {
		switch c := label[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case c >= 0x80:
			return fmt.Errorf("not a domain: label %q is not ASCII; write it as its A-label (xn--…)", label)
		default:
			return fmt.Errorf("not a domain: label %q holds %q", label, c)
		}
	}
	return nil
}

// lower returns s with the ASCII letters in lower case, as names are compared in DNS (RFC 4343); other letters may not become
// ASCII ones by it.
func lower(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return 'A' <= r && r <= 'Z' }) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// covers reports whether a list of domains names this one: as itself, or by "*.example.com", which stands for every name and
// every wildcard below example.com at any depth.
func covers(list []string, domain string) bool {
	for _, entry := range list {
		entry = lower(strings.TrimSuffix(entry, "."))
		if entry == domain || strings.HasPrefix(entry, "*.") && strings.HasSuffix(domain, entry[1:]) {
			return true
		}
	}
	return false
}
