package lane

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// altSvc returns what tells clients of a server's HTTP/3 addresses, as its HTTP/3 server words it (RFC 9114 §3.1.1); nil if it has none.
// TLS is spoken at all of its addresses but Caddy's HTTP port.
func altSvc(s *caddyhttp.Server, httpPort int) func() string {
	if len(s.TLSConnPolicies) == 0 || !slices.Contains(s.Protocols, "h3") {
		return nil
	}
	var all []string
	for _, listen := range s.Listen {
		address, err := caddy.ParseNetworkAddress(listen)
		if err != nil || address.IsUnixNetwork() || address.StartPort == 0 {
			continue
		}
		for port := address.StartPort; port <= address.EndPort; port++ {
			if int(port) != httpPort {
				all = append(all, fmt.Sprintf(`h3=":%d"; ma=2592000`, port))
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	value := strings.Join(all, ",")
	return func() string { return value }
}
