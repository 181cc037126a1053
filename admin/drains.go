package admin

import (
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/proxy/pool"
)

// drainView is the draining of a host in one cluster.
type drainView struct {
	Cluster string `json:"cluster"`
	healer.DrainStatus
}

// drainOrder is the body of PUT /fairlead/healer/drains. It has no end: a host that is empty must not fill while somebody works on it.
type drainOrder struct {
	Cluster string `json:"cluster"`
	Host    string `json:"host"`
	Author  string `json:"author"`
	Reason  string `json:"reason"`
	Forced  bool   `json:"forced"`
}

// drainsView is what the endpoints of drains answer.
type drainsView struct {
	Version uint64      `json:"version"`
	Drains  []drainView `json:"drains"`
}

// drains lists the hosts that are drained, as of the last round of each healer.
func (a *api) drains(s *pool.Snapshot, r *http.Request) (any, error) {
	chosen, err := a.asked(r)
	if err != nil {
		return nil, err
	}
	view := drainsView{s.Version, []drainView{}}
	for _, h := range chosen {
		status := h.Status()
		for _, d := range status.Drains {
			view.Drains = append(view.Drains, drainView{status.Cluster, d})
		}
	}
	return view, nil
}

// drain orders that a host be emptied, in every cluster that knows it unless one is named.
func (a *api) drain(s *pool.Snapshot, r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	var body drainOrder
	const hint = `send {"host": "web-1", "author": "who", "reason": "why"}, and "forced": true to go below what must stay available`
	if err := readOrder(r, &body, hint); err != nil {
		return nil, err
	}
	switch {
	case body.Host == "":
		return nil, badInput(hint, "no host is named")
	case utf8.RuneCountInString(body.Author) > mostAuthor || utf8.RuneCountInString(body.Reason) > mostReason:
		return nil, badInput("at most 200 characters say who it is, and 1000 why", "the author or the reason is too long")
	}
	d := healer.Drain{Host: body.Host, Author: body.Author, Reason: body.Reason, Forced: body.Forced}
	return a.each(s, body.Cluster, d, healer.DrainOrdered, healer.ErrUnknownHost, func(h steered) error { return h.DrainHost(r.Context(), d) })
}

// undrain lets a host come back, in every cluster that drains it unless one is named.
func (a *api) undrain(s *pool.Snapshot, r *http.Request) (any, error) {
	values, err := query(r, "cluster", "host")
	if err != nil {
		return nil, err
	}
	host := values.Get("host")
	if host == "" {
		return nil, badInput("add ?host=web-1", "no host is named")
	}
	d := healer.Drain{Host: host}
	return a.each(s, values.Get("cluster"), d, healer.DrainEnding, healer.ErrNoDrain, func(h steered) error { return h.UndrainHost(r.Context(), host) })
}

// each gives an order to the healers of the clusters chosen. Those of several that have nothing to do with the host, as missing says, are
// left out.
func (a *api) each(s *pool.Snapshot, cluster string, d healer.Drain, next healer.DrainState, missing error, order func(steered) error) (any, error) {
	chosen, err := a.choose(cluster)
	if err != nil {
		return nil, err
	}
	view := drainsView{s.Version, []drainView{}}
	var absent error
	for _, h := range chosen {
		err := order(h)
		switch {
		case errors.Is(err, missing):
			absent = err
		case err != nil:
			return nil, err
		default:
			view.Drains = append(view.Drains, drainView{h.Status().Cluster, ordered(h, d, next)})
		}
	}
	if len(view.Drains) == 0 {
		return nil, absent
	}
	return view, nil
}

// ordered is how a drain stands right after an order.
func ordered(h steered, d healer.Drain, next healer.DrainState) healer.DrainStatus {
	for _, known := range h.Status().Drains {
		if strings.EqualFold(known.Host, d.Host) {
			known.State = next
			if d.Author != "" {
				known.Author, known.Reason, known.Forced, known.Waits = d.Author, d.Reason, d.Forced, ""
			}
			return known
		}
	}
	return healer.DrainStatus{Drain: d, State: next}
}
