package admin

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/fairlead/fairlead/proxy/pool"
)

// The bounds of an order's body and texts, which are stored in the cluster's own documents.
const (
	mostBody   = 16 << 10 // bytes
	mostAuthor = 200      // characters
	mostReason = 1000
)

// order is the body of PUT /fairlead/overrides/{instance}.
type order struct {
	Action pool.Action `json:"action"`
	Weight int         `json:"weight"`
	mandate
}

// mandate is who orders something, why, and until when.
type mandate struct {
	Author  string    `json:"author"`
	Reason  string    `json:"reason"`
	Expires time.Time `json:"expires"`
	TTL     string    `json:"ttl"` // instead of Expires
}

func (a *api) overrides(s *pool.Snapshot, r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	all := append([]pool.Override{}, a.edge.Overrides()...)
	return struct {
		Version   uint64          `json:"version"`
		Overrides []pool.Override `json:"overrides"`
	}{s.Version, all}, nil
}

// setOverride hands an order to the edge, which knows what makes sense, and shows what is stored now.
func (a *api) setOverride(_ *pool.Snapshot, r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	var body order
	const hint = `send {"action": "drain", "author": "who", "reason": "why", "ttl": "2h"}; action is drain, disable or weight`
	if err := readOrder(r, &body, hint); err != nil {
		return nil, err
	}
	expires, err := body.end(a.now())
	if err != nil {
		return nil, err
	}
	o := pool.Override{
		Instance: r.PathValue("instance"), Action: body.Action, Weight: body.Weight,
		Author: body.Author, Reason: body.Reason, Expires: expires,
	}
	if err := a.edge.SetOverride(r.Context(), o); err != nil {
		return nil, err
	}
	if stored, ok := a.override(o.Instance); ok {
		return stored, nil
	}
	return o, nil // stored, but not seen by this edge yet
}

func (a *api) override(instance string) (pool.Override, bool) {
	for _, o := range a.edge.Overrides() {
		if o.Instance == instance {
			return o, true
		}
	}
	return pool.Override{}, false
}

func (a *api) deleteOverride(_ *pool.Snapshot, r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	instance := r.PathValue("instance")
	o, ok := a.override(instance)
	if !ok {
		return nil, unknown("see /fairlead/overrides for those there are", "no override is set for %q", instance)
	}
	if err := a.edge.DeleteOverride(r.Context(), instance); err != nil {
		return nil, err
	}
	return o, nil
}

// readOrder reads the body and refuses what it does not understand, so that a misspelt expiry does not make an order endless.
func readOrder(r *http.Request, to any, hint string) error {
	body := json.NewDecoder(http.MaxBytesReader(nil, r.Body, mostBody))
	body.DisallowUnknownFields()
	if err := body.Decode(to); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return &problem{status: http.StatusRequestEntityTooLarge, Message: "the body is larger than 16 KiB", Hint: hint}
		}
		return badInput(hint, "reading the order: %v", err)
	}
	if _, err := body.Token(); !errors.Is(err, io.EOF) {
		return badInput(hint, "reading the order: something follows the JSON object")
	}
	return nil
}

// end returns when an order ends: never, if zero.
func (o *mandate) end(now time.Time) (expires time.Time, err error) {
	switch {
	case utf8.RuneCountInString(o.Author) > mostAuthor:
		return expires, badInput("at most 200 characters say who it is", "the author is too long")
	case utf8.RuneCountInString(o.Reason) > mostReason:
		return expires, badInput("at most 1000 characters say why", "the reason is too long")
	case o.TTL == "":
		return o.Expires, nil
	case !o.Expires.IsZero():
		return expires, badInput("give one of expires and ttl, or none for an order without end", "both expires and ttl are given")
	}
	ttl, err := time.ParseDuration(o.TTL)
	if err != nil || ttl < time.Second {
		return expires, badInput("write a duration of at least 1s, such as 30m or 12h", "ttl %q cannot be read", o.TTL)
	}
	return now.Add(ttl).UTC().Truncate(time.Millisecond), nil
}
