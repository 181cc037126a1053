//go:build linux && (amd64 || arm64)

package lane_test

import (
	"crypto/tls"
	"testing"

	"github.com/fairlead/fairlead/proxy/lane"
	"github.com/fairlead/fairlead/tools/lab/lanes"
)

func init() {
	for name, version := range map[string]uint16{"TLS 1.3": tls.VersionTLS13, "TLS 1.2": tls.VersionTLS12} {
		others["loop, "+name] = func(t testing.TB, l *lane.Listener) string {
			loops, stop := lanes.Run(t, 2)
			t.Cleanup(stop) // after the listener's end
			return ciphered(t, version, cable, func(c *tls.Conn) {
				if !loops.Adopt(c, l) {
					t.Error("the connection was not adopted")
				}
			})
		}
	}
}
