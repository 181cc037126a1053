package faults

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/healer"
)

// entries returns what Consul has of a service, as the first server says that answers; nil if none does, asked twice.
func (w *ward) entries(domain string) []*api.ServiceEntry {
	for _, h := range slices.Concat(w.Hosts, w.Hosts) {
		if !h.On() {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		entries, _, err := h.Consul().Client().Health().Service(domain, "", false, new(api.QueryOptions).WithContext(ctx))
		cancel()
		if err == nil {
			return entries
		}
	}
	return nil
}

// present counts the copies of a service that are registered and well, on hosts other than those named.
func (w *ward) present(domain string, but ...string) int { return well(w.entries(domain), but...) }

func well(entries []*api.ServiceEntry, but ...string) (n int) {
	for _, e := range entries {
		if e.Checks.AggregatedStatus() != api.HealthCritical && !slices.Contains(but, e.Node.Node) {
			n++
		}
	}
	return n
}

// elsewhere reports whether a service is as wanted without a host.
func (w *ward) elsewhere(host string) func(domain string) bool {
	return func(domain string) bool { return w.present(domain, host) == w.count }
}

// full reports whether a service is as wanted.
func (w *ward) full(domain string) bool { return w.present(domain) == w.count }

// ids are the service IDs of a domain with their modification indexes.
func (w *ward) ids(domain string) string {
	var ids []string
	for _, e := range w.entries(domain) {
		ids = append(ids, fmt.Sprintf("%s@%d", e.Service.ID, e.Service.ModifyIndex))
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// indexes are those of Consul's catalogue and of the healer's documents: they move when anything is written. Empty if Consul does not say.
func (w *ward) indexes() string {
	consul := w.Hosts[0].Consul().Client()
	_, services, err := consul.Catalog().Services(nil)
	if err != nil {
		return ""
	}
	_, checks, err := consul.Health().State(api.HealthAny, nil)
	if err != nil {
		return ""
	}
	_, documents, err := consul.KV().List("fairlead/", nil)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("services %d, checks %d, documents %d", services.LastIndex, checks.LastIndex, documents.LastIndex)
}

// health sets what a copy answers to its check.
func health(t *testing.T, e *api.ServiceEntry, query string) {
	t.Helper()
	if err := answer(e, query); err != nil {
		t.Fatal(err)
	}
}

func answer(e *api.ServiceEntry, query string) error {
	r, err := http.NewRequest("PUT", fmt.Sprintf("http://%s:%d/health?%s", cmp.Or(e.Service.Address, e.Node.Address), e.Service.Port, query), nil)
	if err != nil {
		return err
	}
	answer, err := asker.Do(r)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// status is what the healer of an edge says of itself.
func (w *ward) status(edge int) (s healer.Status, err error) {
	var all struct{ Clusters []healer.Status }
	answer, err := asker.Get(w.Edges[edge].Admin + "/fairlead/healer")
	if err != nil {
		return s, err
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&all); err != nil {
		return s, err
	}
	if len(all.Clusters) != 1 {
		return s, fmt.Errorf("%d clusters are healed", len(all.Clusters))
	}
	return all.Clusters[0], nil
}

// leader returns the edge whose healer acts, or -1.
func (w *ward) leader() int {
	for i := range w.Edges {
		if s, err := w.status(i); err == nil && s.Leading {
			return i
		}
	}
	return -1
}

// sight is what the healer of an edge says of a service.
func (w *ward) sight(edge int, domain string) (found healer.ServiceStatus) {
	s, _ := w.status(edge) // what is not known is empty
	for _, service := range s.Services {
		if service.Service == domain {
			return service
		}
	}
	return found
}

// planned counts the repairs that the healers have planned, of processes that run now.
func (w *ward) planned() (n int) {
	for i := range w.Edges {
		n += w.plannedBy(i)
	}
	return n
}

func (w *ward) plannedBy(edge int) (n int) {
	s, err := w.status(edge)
	for k := 0; k < 5 && err != nil && !errors.Is(err, syscall.ECONNREFUSED); k++ {
		s, err = w.status(edge) // the machine is busy
	}
	for _, k := range s.Totals.Planned {
		n += k
	}
	return n
}

// audited returns when an edge's healer has written words that begin so about a service since, the oldest first.
func (w *ward) audited(edge int, what, domain string, since time.Time) (at []time.Time) {
	var log struct{ Entries []healer.AuditEntry }
	if w.Edges[edge].GetJSON("/fairlead/healer/audit?service="+domain, &log) != nil {
		return nil
	}
	for _, e := range log.Entries {
		if strings.HasPrefix(e.What, what) && e.At.After(since) {
			at = append(at, e.At)
		}
	}
	return at
}

// toldOnce fails the test if people were told of a service's state more often than it came to be so: on a busy machine a host that comes back
// may be well, ill and well again.
func (w *ward) toldOnce(t *testing.T, state healer.State, domain string, since time.Time) {
	t.Helper()
	came := 0
	for i := range w.Edges {
		came = max(came, len(w.audited(i, "is "+string(state), domain, since)))
	}
	if told := len(w.people.heard(string(state), domain, since)); told == 0 || told > came {
		t.Errorf("people were told %d times that %s is %s, and it came to be so %d times", told, domain, state, came)
	}
}

// patient fails the test unless a repair was planned since a service was made short, and none before the hold-down was over. Load lengthens
// what lies between and shortens nothing.
func (w *ward) patient(t *testing.T, since time.Time) {
	t.Helper()
	n := 0
	for i := range w.Edges {
		for _, at := range w.audited(i, "plan:", tended, since) {
			if n++; at.Sub(since) < w.deficitFor() {
				t.Errorf("the healer of edge %d planned a repair %s after the service was short, before the hold-down of %s", i+1, round(at.Sub(since)), w.deficitFor())
			}
		}
	}
	if n == 0 {
		t.Error("no audit log tells of a repair")
	}
}

// expectPlanned fails the test unless the healers have planned so many repairs since.
func (w *ward) expectPlanned(t *testing.T, before, want int) {
	t.Helper()
	if n := w.planned() - before; n != want {
		t.Errorf("%d repairs were planned, want %d", n, want)
	}
}

// asker asks containers themselves.
var asker = &http.Client{Timeout: 5 * time.Second}
