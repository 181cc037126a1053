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

// entries returns what Consul has of a service, as the first server says that answers; nil if none does.
func (w *ward) entries(domain string) []*api.ServiceEntry {
	for _, h := range w.Hosts {
		if !h.On() {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
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
	r, err := http.NewRequest("PUT", fmt.Sprintf("http://%s:%d/health?%s", cmp.Or(e.Service.Address, e.Node.Address), e.Service.Port, query), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := asker.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
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
		s, err := w.status(i)
		for k := 0; k < 3 && err != nil && !errors.Is(err, syscall.ECONNREFUSED); k++ {
			s, err = w.status(i) // the machine is busy
		}
		for _, k := range s.Totals.Planned {
			n += k
		}
	}
	return n
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
