package registrar

import (
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

func TestAttempts(t *testing.T) {
	const least, top = time.Second, 30 * time.Second
	now := time.Now()
	work := attempts{all: map[string]*attempt{}, least: least, top: top}
	register := func(tag string) *action {
		r := &api.AgentServiceRegistration{ID: "a", Tags: []string{tag}}
		return &action{id: "a", register: r, want: r, changes: true, why: "different in its tags"}
	}
	refused := errors.New("refused")
	longest := time.Duration(0)
	for n := range 20 {
		if !work.due(now, register("x")) {
			t.Fatalf("try %d is not due", n)
		}
		if first := work.failed(now, register("x"), refused); first != (n == 0) {
			t.Errorf("failure %d is news: %t", n, first)
		}
		next := work.next()
		if pause := next.Sub(now); pause < least/2 || pause > top || pause < longest/2 {
			t.Errorf("pause %d is %s", n, pause)
		} else {
			longest = max(longest, pause)
		}
		if work.due(next.Add(-time.Millisecond), register("x")) {
			t.Errorf("try %d is due too early", n)
		}
		now = next
	}
	if longest < top/2 {
		t.Errorf("the longest pause is %s", longest)
	}
	if !work.due(now.Add(-time.Hour), register("y")) || work.all["a"].failures != 0 {
		t.Error("another aim does not start anew")
	}
	work.done(register("y"))
	if work.due(now, register("y")) || work.all["a"].err == nil {
		t.Error("what is not taken for good is tried again at once, and not said")
	}
	if !work.due(now, &action{id: "a", deregister: true}) {
		t.Error("another action has to wait")
	}
	work.settle(nil)
	if len(work.all) != 0 || !work.next().IsZero() {
		t.Errorf("left over: %v", work.all)
	}
}
