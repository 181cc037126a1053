package app

import (
	"maps"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// A container is stopped after the shortest time that one of its instances says, and not at all for one that says none.
func TestContainersThatStopThemselves(t *testing.T) {
	instance := func(container, selfStop string) discovery.Instance {
		return discovery.Instance{Meta: map[string]string{discovery.MetaContainer: container, discovery.MetaSelfStop: selfStop}}
	}
	c := newContainers(nil)
	c.note(discovery.Update{Complete: true, Services: map[string]*discovery.Service{
		"web": {Instances: []discovery.Instance{instance("a", "60s"), instance("b", ""), instance("c", "soon"), instance("", "60s")}},
		"ssh": {Instances: []discovery.Instance{instance("a", "20s"), instance("d", "1m")}},
	}})
	want := map[string]time.Duration{"a": 20 * time.Second, "d": time.Minute}
	if got := c.selfStopping(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
