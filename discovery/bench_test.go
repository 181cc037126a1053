package discovery

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkChange is one instance of one service changing among 10,000 services of two instances.
func BenchmarkChange(b *testing.B) {
	c, f, all := benchCatalog(10_000)
	name := "service7.example.com"
	moved := service(name, "n7/a7@moved", "n7/b7")
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		s := moved
		if n%2 == 1 {
			s = all[name]
		}
		c.take(f, Update{Services: map[string]*Service{name: s}})
	}
}

// BenchmarkSignOfLife is a source saying that nothing has changed.
func BenchmarkSignOfLife(b *testing.B) {
	c, f, _ := benchCatalog(10_000)
	now := time.Now()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		c.take(f, Update{Status: SourceStatus{LastAnswer: now.Add(time.Duration(n))}})
	}
}

// BenchmarkFirstAnswers is 5,000 services that commit one by one.
func BenchmarkFirstAnswers(b *testing.B) {
	_, _, all := benchCatalog(5_000)
	b.ReportAllocs()
	for b.Loop() {
		c := NewCatalog("live", []Source{newScript("a")}, CatalogOptions{})
		for name, s := range all {
			c.take(c.ledger.feeds[0], Update{Services: map[string]*Service{name: s}})
		}
	}
}

func benchCatalog(services int) (*Catalog, *feed, map[string]*Service) {
	all := map[string]*Service{}
	for n := range services {
		name := fmt.Sprintf("service%d.example.com", n)
		all[name] = service(name, fmt.Sprintf("n%d/a%d", n%50, n), fmt.Sprintf("n%d/b%d", n%49, n))
	}
	c := NewCatalog("live", []Source{newScript("a")}, CatalogOptions{})
	c.take(c.ledger.feeds[0], Update{Services: all, Complete: true})
	return c, c.ledger.feeds[0], all
}
