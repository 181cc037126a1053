package nameserver

import (
	"testing"
	"time"
)

func BenchmarkRespond(b *testing.B) {
	z, s := newZone("fairlead.", 3*time.Second), world()
	for _, ask := range []string{"shop.example.com. A", "shop.example.com. SRV", "test.shop.example.com. A", "nobody.example.com. A"} {
		b.Run(ask, func(b *testing.B) {
			packet, buf := packed(b, question(ask)), make([]byte, maxQuery)
			b.ReportAllocs()
			for b.Loop() {
				if z.respond(s, packet, outsider, false, buf) == nil {
					b.Fatal("no answer")
				}
			}
		})
	}
}
