package registrar

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	realconsul "github.com/fairlead/fairlead/tools/consul"
)

func TestRealDrain(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{})
	c := prompt(a)
	r := start(t, c)
	one, two, three := instance("shop", "shop-1", 8001, withMeta("check_ttl", "1h", "check_initial_status", "passing")), instance("shop", "shop-2", 8002),
		instance("shop", "shop-3", 8003)
	r.source.all(one, two, three)
	r.until(t, "the services", settled(3))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.Drain(ctx, []string{"shop-1", "shop-2"}, "host upgrade"); err != nil {
		t.Fatal(err)
	}
	// Confirmed is what the servers have: nothing is waited for here.
	all, err := entries(a)
	if err != nil || !strings.Contains(all["shop-1"], "maintenance") || !strings.Contains(all["shop-2"], "maintenance") || !strings.Contains(all["shop-3"], "passing") {
		t.Errorf("after a drain: %q, %v", all, err)
	}
	if err := a.Client().Agent().EnableServiceMaintenance("shop-3", "an operator's"); err != nil {
		t.Fatal(err)
	}

	// An update with a check less does not end a maintenance, ours or his, at any moment.
	r.source.all(instance("shop", "shop-1", 8001, withTags("new")), two, instance("shop", "shop-3", 8003, withTags("new")))
	expect(t, a, "shop-1: [new] maintenance", "shop-2: maintenance", "shop-3: [new] maintenance")
	r.until(t, "agreement", settled(3))
	checks, err := a.Client().Agent().Checks()
	if err != nil || len(checks) != 3 {
		t.Errorf("checks are %v, %v", checks, err)
	}

	// A drain outlives the registrar, and ends when it is told so.
	r.stop()
	if err := r.Drain(ctx, []string{"shop-3"}, "too late"); !errors.Is(err, errEnded) {
		t.Errorf("a drain by a registrar that has ended: %v", err)
	}
	r = start(t, c)
	r.source.all(one, two, three)
	r.until(t, "the services", settled(3))
	expect(t, a, "shop-1: maintenance", "shop-2: maintenance", "shop-3: maintenance")
	if err := r.Undrain(ctx, []string{"shop-1", "shop-2", "shop-3"}); err != nil {
		t.Fatal(err)
	}
	all, err = entries(a)
	if err != nil || !strings.Contains(all["shop-1"], "passing") || !strings.Contains(all["shop-2"], "passing") || !strings.Contains(all["shop-3"], "maintenance") {
		t.Errorf("after its end: %q, %v", all, err)
	}
	if err := r.Drain(ctx, []string{"consul"}, "not ours"); !errors.Is(err, errNotOurs) {
		t.Errorf("a drain of somebody else's: %v", err)
	}
	if err := r.Drain(ctx, []string{"shop-1"}, " "); err == nil {
		t.Error("a drain without a reason is taken")
	}

	// While Consul is away a drain is not confirmed, and says so; it is done when Consul is back, empty.
	a.Kill()
	short, end := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer end()
	if err := r.Drain(short, []string{"shop-2"}, "in the dark"); err == nil || !strings.Contains(err.Error(), "not confirmed") {
		t.Errorf("a drain without Consul: %v", err)
	}
	if err := a.Restart(); err != nil {
		t.Fatal(err)
	}
	expect(t, a, "shop-1: passing", "shop-3: passing") // who is drained is not registered only to be drained
	r.until(t, "the drain to be kept", func(s Status) bool { return s.Counts.Drained == 1 })
	if err := r.Undrain(ctx, []string{"shop-2"}); err != nil {
		t.Fatal(err)
	}
	expect(t, a, "shop-1: passing", "shop-2: passing", "shop-3: passing")
}

func TestRealStopRequests(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{})
	r := start(t, prompt(a))
	up, going := instance("shop", "shop-1", 8001), instance("shop", "shop-1", 8001, withHealth(discovery.Maintenance, "signal 15 was sent"))
	r.source.all(up)
	expect(t, a, "shop-1: passing")
	r.source.all(going)
	expect(t, a, "shop-1: maintenance")
	checks, err := a.Client().Agent().Checks()
	if note := checks[maintenanceCheck("shop-1")]; err != nil || note == nil || note.Notes != stopMark+"signal 15 was sent" {
		t.Errorf("the maintenance is %+v, %v", note, err)
	}
	r.source.all(up) // it has survived
	expect(t, a, "shop-1: passing")
	r.source.all(going)
	expect(t, a, "shop-1: maintenance")
	r.source.all()
	expect(t, a)
	r.until(t, "nothing", settled(0))
	if w := r.Status().Writes; w.Registered != 1 || w.Deregistered != 1 || w.Drained != 2 || w.Resumed != 1 {
		t.Errorf("writes are %+v", w)
	}
}
