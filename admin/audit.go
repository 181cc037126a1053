package admin

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/proxy/pool"
)

// audit lists the healers' latest decisions, the oldest first, of one cluster or service if named, and from a time on: an RFC 3339 one,
// or as long ago as a duration says.
func (a *api) audit(s *pool.Snapshot, r *http.Request) (any, error) {
	values, err := query(r, "cluster", "service", "since")
	if err != nil {
		return nil, err
	}
	chosen, err := a.choose(values.Get("cluster"))
	if err != nil {
		return nil, err
	}
	since, err := moment(values.Get("since"), a.now())
	if err != nil {
		return nil, err
	}
	service := values.Get("service")
	entries := []healer.AuditEntry{}
	for _, h := range chosen {
		for _, e := range h.Audit() {
			if !e.At.Before(since) && (service == "" || strings.EqualFold(service, e.Service)) {
				entries = append(entries, e)
			}
		}
	}
	slices.SortStableFunc(entries, func(a, b healer.AuditEntry) int { return a.At.Compare(b.At) })
	return struct {
		Version uint64              `json:"version"`
		Entries []healer.AuditEntry `json:"entries"`
	}{s.Version, entries}, nil
}

// moment reads a time. Nothing is the beginning of time.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, badInput("write a time such as 2026-03-01T12:00:00Z, or how long ago, such as 2h", "since %q cannot be read", text)
	}
	return t, nil
}
