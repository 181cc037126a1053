package pool

import (
	"slices"
	"testing"
)

func TestPoolsNamesEachOnceInOrder(t *testing.T) {
	shop, all, redis := &Pool{Name: "shop.example.com", Service: "shop"}, &Pool{Name: "*.example.com", Service: "all"}, &Pool{Name: "redis", Service: "redis"}
	c := &Cluster{
		Exact:    map[string]*Pool{"shop.example.com": shop},
		Wildcard: map[string]*Pool{"example.com": all},
		Services: map[string]*Pool{"shop": shop, "all": all, "redis": redis},
	}
	if got, want := c.Pools(), []*Pool{all, redis, shop}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
