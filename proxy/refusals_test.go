package proxy

import (
	"maps"
	"testing"
)

func TestRefusalsAreCountedByTheirWord(t *testing.T) {
	e := &Edge{shared: new(Shared)}
	for _, word := range []string{"no_domain", "queue_full", "no_domain"} {
		e.shared.refusals.count(word)
	}
	if got, want := e.Refusals(), map[string]uint64{"no_domain": 2, "queue_full": 1}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
