package faults

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/fairlead/fairlead/tools/lab/hosts"
)

// drained empties two hosts while the service is short; then Swarm's own drain empties one of the service that nobody tends.
func (w *ward) drained(t *testing.T, r *result) {
	w.spread(t)
	start, lead := w.mark(), w.leader()
	least := w.low(tended)
	w.scaleOne(t, names[tended], w.count-1, nil)
	w.until(t, "the hold-down", slack, func() bool { return w.sight(lead, tended).Gate == "hold-down" })
	var first, second *hosts.Host // those that have a copy each
	w.until(t, "the copies that are left", slack, func() bool {
		left := w.copies(t, tended)
		if len(left) == w.count-1 {
			first, second = left[0].host, left[1].host
		}
		return first != nil
	})
	if first == second {
		t.Fatal("both copies are on one host")
	}
	began := time.Now()
	long := 10 * time.Minute
	orders := make(chan string, 2)
	var emptied [2]atomic.Int64 // when, since began
	for i, h := range []*hosts.Host{first, second} {
		go func() {
			out, err := w.command(long, "host", "drain", h.Name, "--reason", "new kernel", "--author", "ann", "--timeout", long.String())
			emptied[i].Store(int64(time.Since(began)))
			if err != nil {
				out = fmt.Sprintf("draining %s: %v: %s", h.Name, err, out)
			} else {
				out = ""
			}
			orders <- out
		}()
		w.until(t, "the order", slack, func() bool { // which comes first is told by their time
			s, err := w.status(lead)
			return err == nil && len(s.Drains) == i+1
		})
	}
	for range 2 {
		if problem := <-orders; problem != "" {
			t.Error(problem)
		}
	}
	one, two := round(time.Duration(emptied[0].Load())), round(time.Duration(emptied[1].Load()))
	if two <= one { // by seconds: a copy has to start in between, and the command looks twice a second
		t.Errorf("the second host was empty after %s, before the first after %s", two, one)
	}
	empty := func() error {
		for _, c := range w.copies(t, tended) {
			if c.host == first || c.host == second {
				return fmt.Errorf("a copy is on %s, which is drained", c.host.Name)
			}
		}
		return nil
	}
	if err := empty(); err != nil {
		t.Error(err)
	}
	if n := least(); n < w.count-1 {
		t.Errorf("%d copies were present at the least, want %d (I2)", n, w.count-1)
	}
	victim := w.one(t, tended)
	remove(t, &victim)
	w.until(t, "the replacement of a copy that died meanwhile", slack, func() bool { return w.full(tended) && !w.registered(tended, victim.id) })
	w.during(t, w.deficitFor(), empty)
	if updates, most := w.watch.told(names[tended]); most > w.count || updates != 1 {
		t.Errorf("Swarm was told %d times, and %d copies at most; want once %d", updates, most, w.count)
	}
	w.unfailed(t, start, "while hosts were emptied")
	alone := w.swarmDrain(t, first)
	for _, h := range []*hosts.Host{first, second} {
		if out, err := w.command(time.Minute, "host", "undrain", h.Name, "--timeout", "60s"); err != nil {
			t.Errorf("undraining %s: %v: %s", h.Name, err, out)
		}
	}
	r.healed("two hosts drained while a copy was missing: empty after %s and, the second after the first, %s; at least %d of %d present all the while; nothing new there; no request failed",
		one, two, w.count-1, w.count)
	r.untended("Swarm's own drain: %s", alone)
}

// low notes the fewest copies of a service that are present, until it is read.
func (w *ward) low(domain string) (least func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	lowest := make(chan int)
	go func() {
		n := w.count
		for ctx.Err() == nil {
			if entries := w.entries(domain); entries != nil { // nil is that nobody answers
				n = min(n, well(entries))
			}
			time.Sleep(50 * time.Millisecond)
		}
		lowest <- n
	}()
	return func() int {
		cancel()
		return <-lowest
	}
}

// swarmDrain has Swarm drain a node, and says what becomes of the service that nobody tends.
func (w *ward) swarmDrain(t *testing.T, h *hosts.Host) string {
	t.Helper()
	there := 0
	for _, c := range w.copies(t, untended) {
		if c.host == h {
			there++
		}
	}
	least, before := w.low(untended), w.mark()
	was := w.available(t, h, swarm.NodeAvailabilityDrain)
	w.until(t, "Swarm's drain", slack, func() bool { return w.present(untended, h.Name) == w.count })
	w.available(t, h, was)
	_, failed := w.since(untended, before)
	return fmt.Sprintf("all %d of the node's copies at once, %d of %d present at the least, %d requests failed", there, least(), w.count, len(failed))
}

// available sets what Swarm may place on a node, and returns what it was.
func (w *ward) available(t *testing.T, h *hosts.Host, to swarm.NodeAvailability) (was swarm.NodeAvailability) {
	t.Helper()
	m := w.manager(t, nil)
	node, _, err := m.NodeInspectWithRaw(t.Context(), h.Name)
	if err == nil {
		was = node.Spec.Availability
		node.Spec.Availability = to
		err = m.NodeUpdate(t.Context(), node.ID, node.Version, node.Spec)
	}
	if err != nil {
		t.Fatal(err)
	}
	return was
}

// command runs fairlead against the edge whose healer acts.
func (w *ward) command(within time.Duration, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	args = append(args, "--address="+strings.TrimPrefix(w.Edges[max(0, w.leader())].Admin, "http://"))
	out, err := exec.CommandContext(ctx, w.Binary(), args...).CombinedOutput()
	return string(out), err
}
