package pool

import (
	"testing"

	"github.com/fairlead/fairlead/discovery"
)

func TestSameInputMakesNoNewVersion(t *testing.T) {
	w := newWorld("", "test.")
	w.put(0, "shop.example.com", plain, health(discovery.Critical))
	w.put(1, "shop.example.com", plain)
	first, changed := Build(nil, w.in)
	if !changed || first.Version != 1 {
		t.Fatalf("first Build: version %d, changed %v", first.Version, changed)
	}
	again, changed := Build(first, w.in)
	if changed || again != first {
		t.Errorf("the same input made version %d, changed %v", again.Version, changed)
	}
}
