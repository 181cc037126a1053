package dispatch_test

import (
	"testing"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/pool"
)

func TestSpeaksH2C(t *testing.T) {
	for _, c := range []struct {
		protocol string
		major    int
		kind     string
		want     bool
	}{
		{"auto", 2, "application/grpc", true},
		{"auto", 3, "Application/GRPC+proto", true},
		{"auto", 2, "application/grpc;charset=utf-8", true},
		{"auto", 1, "application/grpc", false},
		{"auto", 2, "application/grpc-web", false},
		{"auto", 2, "application/json", false},
		{"auto", 2, "", false},
		{"h2c", 1, "", true},
		{"h2c", 2, "text/plain", true},
		{"http1", 2, "application/grpc", false},
	} {
		spec := pool.DefaultSpec()
		if err := spec.Set("protocol", c.protocol); err != nil {
			t.Fatal(err)
		}
		if got := dispatch.SpeaksH2C(spec, c.major, c.kind); got != c.want {
			t.Errorf("%s, HTTP/%d, %q: %t", c.protocol, c.major, c.kind, got)
		}
	}
}
