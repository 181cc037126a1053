package balance

import (
	"fmt"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

// BenchmarkLoadChoose is what a request pays for its decision: the table's snapshot, the domain's pool, and a member.
func BenchmarkLoadChoose(b *testing.B) {
	for _, policy := range policies {
		for _, members := range []int{3, 10} {
			b.Run(fmt.Sprintf("%s/%d", policy, members), func(b *testing.B) {
				t := table(pool.Settings{"policy": policy}, equals(members)...)
				for _, m := range t.Load().Clusters[0].Exact["shop.example.com"].Members {
					m.Meter.Observe(time.Millisecond)
				}
				key := HashString("192.0.2.1")
				b.ReportAllocs()
				for b.Loop() {
					Choose(t.Load().Clusters[0].Exact["shop.example.com"], key, nil)
				}
			})
		}
	}
}
