package pool

import (
	"fmt"
	"testing"
)

// BenchmarkBuildOneChange10000 is the cost of one changed service among 10,000: the figure that must not grow into the cost of all.
func BenchmarkBuildOneChange10000(b *testing.B) {
	w := newWorld("")
	for n := range 10000 {
		w.in.Clusters[0].Facts.Services[fmt.Sprintf("shop%d.example.com", n)] = nil
	}
	for name := range w.in.Clusters[0].Facts.Services {
		one := newWorld("")
		one.put(0, name, plain, plain)
		w.in.Clusters[0].Facts.Services[name] = one.in.Clusters[0].Facts.Services[name]
	}
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			Build(nil, w.in)
		}
	})
	first := w.build()
	cases := []struct {
		name   string
		change func()
	}{
		{"none", func() {}},
		{"health", func() { w.put(0, "shop5000.example.com", plain, health(2)) }},
		{"domain", func() { w.put(0, "new.example.com", plain) }},
		{"verdict", func() {
			w.in.Clusters[0].Verdicts = map[string]Verdict{instance("shop7.example.com", 1): {Down: true}}
		}},
	}
	for _, c := range cases {
		c.change()
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Build(first, w.in)
			}
		})
	}
}
