package app

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/fairlead/fairlead/proxy/route"
)

// orDefault reads a time where zero is the default and a negative one means none.
func orDefault(d caddy.Duration, otherwise time.Duration) time.Duration {
	return max(0, cmp.Or(time.Duration(d), otherwise))
}

func validName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_')
	})
}

// prefix returns a prefix in lower case and with its dot; it is made of whole labels.
func prefix(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	normal, ok := route.Normalise(strings.TrimSuffix(text, "."))
	if !ok || normal == "" || strings.Contains(text, ":") {
		return "", fmt.Errorf("prefix %q: want labels and a dot, such as test.", text)
	}
	return normal + ".", nil
}

// domains normalises names, wildcards among them.
func domains(names []string) ([]string, error) {
	var normal []string
	for _, name := range names {
		rest, wildcard := strings.CutPrefix(name, "*.")
		domain, ok := route.Normalise(rest)
		if !ok || domain == "" || strings.Contains(rest, ":") {
			return nil, fmt.Errorf("%q is no host name", name)
		}
		if wildcard {
			domain = "*." + domain
		}
		normal = append(normal, domain)
	}
	return normal, nil
}

// edgeAddresses reads the addresses at which clients reach this proxy.
func edgeAddresses(texts []string) ([]netip.Addr, error) {
	var list []netip.Addr
	for _, text := range texts {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" || address.IsUnspecified() {
			return nil, fmt.Errorf("answer edge %q: want an IP address that clients can reach", text)
		}
		list = append(list, address)
	}
	return list, nil
}

// networks reads addresses and CIDR ranges; nil for none given. IPv4 ones written as IPv6 (::ffff:10.0.0.0/104) are refused: clients'
// addresses are unwrapped before they are compared, so that such an entry would never match.
func networks(expressions []string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, expression := range expressions {
		ranges := []string{expression}
		if expression == "private_ranges" {
			ranges = caddyhttp.PrivateRangesCIDR()
		}
		for _, text := range ranges {
			network, err := caddyhttp.CIDRExpressionToPrefix(text)
			if err != nil {
				return nil, fmt.Errorf("%q: want an address, a CIDR range or private_ranges", expression)
			}
			if network.Addr().Is4In6() {
				return nil, fmt.Errorf("%q stands for IPv4 addresses: write %s", text, asIPv4(network))
			}
			list = append(list, network.Masked())
		}
	}
	return list, nil
}

// mappedBits are those before the IPv4 address in an IPv4-mapped IPv6 one (RFC 4291 §2.5.5.2).
const mappedBits = 96

// asIPv4 says how to write a range of IPv4-mapped addresses instead.
func asIPv4(mapped netip.Prefix) string {
	if mapped.Bits() < mappedBits {
		return "the IPv4 and IPv6 ranges that are meant, each by itself"
	}
	return netip.PrefixFrom(mapped.Addr().Unmap(), mapped.Bits()-mappedBits).Masked().String()
}

// endpoint returns the addresses and port that host:port or a URL of them stands for; localhost is both loopback addresses, an
// absent host every local one. A name that would have to be looked up stands for nothing: members are checked by address.
func endpoint(text string) ([]netip.AddrPort, error) {
	if _, rest, isURL := strings.Cut(text, "://"); isURL {
		text = strings.TrimSuffix(rest, "/")
	}
	host, portText, err := net.SplitHostPort(text)
	if err != nil {
		return nil, errors.New("want host:port")
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port %q is no port", portText)
	}
	switch host {
	case "":
		return []netip.AddrPort{netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(port))}, nil
	case "localhost":
		return []netip.AddrPort{
			netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)), netip.AddrPortFrom(netip.IPv6Loopback(), uint16(port)),
		}, nil
	}
	if address, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(address, uint16(port))}, nil
	}
	return nil, nil
}
