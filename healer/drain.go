package healer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/state"
)

// Drain is an operator's order to empty a host for work on it: nothing new is placed there, and its copies are moved one after
// another. It holds until it is ended, and then the host may come back.
type Drain struct {
	// Host is the node's name in the catalog, or the engine's name for it.
	Host   string `json:"host"`
	Author string `json:"author"`
	Reason string `json:"reason"`
	// Forced goes below what must stay available, stops what nothing takes the place of, and in the end takes what is left on the
	// host out of every rotation.
	Forced  bool      `json:"forced,omitempty"`
	Created time.Time `json:"created,omitzero"`

	// Held is since when nothing new is placed on the host, and Closed says that it was this drain that told the engine so.
	Held   time.Time `json:"held,omitzero"`
	Closed bool      `json:"closed,omitempty"`
	// Cleared is since when the host's agent keeps what is left there out of every rotation.
	Cleared time.Time `json:"cleared,omitzero"`
	// Ending says that the order was taken back. The document goes once the host may come back.
	Ending bool `json:"ending,omitempty"`

	index  uint64
	broken string // why the document cannot be read: nothing is done about the host then
}

// Errors of orders to drain.
var (
	// ErrBadDrain: the order itself is wrong.
	ErrBadDrain = errors.New("bad drain")
	// ErrUnknownHost: neither the catalog nor the engine knows such a host.
	ErrUnknownHost = errors.New("no such host")
	// ErrNoDrain: the host is not being drained.
	ErrNoDrain = errors.New("the host is not drained")
)

// check refuses a drain that nobody could answer for.
func (d *Drain) check() error {
	if err := discovery.CheckNode(d.Host); err != nil {
		return fmt.Errorf("%w: %w", ErrBadDrain, err)
	}
	if d.Author == "" || d.Reason == "" {
		return fmt.Errorf("%w: want an author and a reason", ErrBadDrain)
	}
	return nil
}

// String says who drains and why.
func (d *Drain) String() string {
	word := "drained"
	if d.Forced {
		word = "drained by force"
	}
	return fmt.Sprintf("host %s is %s, by %s: %s", d.Host, word, d.Author, d.Reason)
}

// is reports whether a drain is of a host.
func (d *Drain) is(host string) bool { return host != "" && strings.EqualFold(d.Host, host) }

func (j *Journal) drainKey(host string) string {
	return j.prefix + "drains/" + url.PathEscape(strings.ToLower(host))
}

// decodeDrain reads a document. One that makes no sense still says which host to leave alone.
func decodeDrain(name string, e state.Entry) Drain {
	var d Drain
	if err := json.Unmarshal(e.Value, &d); err != nil || d.Host == "" {
		host, _ := url.PathUnescape(name) // what cannot be unescaped is no host's name, and touches nothing
		d = Drain{Host: host, Author: e.Key, Reason: "the document cannot be read; delete it", broken: e.Key + " cannot be read; delete it"}
	}
	d.index = e.Index
	return d
}

// Drain stores the order to drain a host. One that is given already takes on the new author, reason and force, and goes on.
func (j *Journal) Drain(ctx context.Context, d Drain) error {
	if err := d.check(); err != nil {
		return err
	}
	return j.changeDrain(ctx, d.Host, func(old *Drain) error {
		if old.Ending {
			return fmt.Errorf("%w: the drain of %s before is being ended, wait for that", ErrBadDrain, d.Host)
		}
		old.Host, old.Author, old.Reason, old.Forced = cmp.Or(old.Host, d.Host), d.Author, d.Reason, d.Forced
		if old.Created.IsZero() {
			old.Created = time.Now().UTC().Truncate(time.Second)
		}
		return nil
	})
}

// Undrain takes the order to drain a host back.
func (j *Journal) Undrain(ctx context.Context, host string) error {
	return j.changeDrain(ctx, host, func(old *Drain) error {
		if old.index == 0 {
			return fmt.Errorf("%w: %s", ErrNoDrain, host)
		}
		old.Ending = true
		return nil
	})
}

// changeDrain changes the document of a host as it is at that moment; without one, change gets an empty drain.
func (j *Journal) changeDrain(ctx context.Context, host string, change func(*Drain) error) error {
	key := j.drainKey(host)
	for {
		limited, cancel := context.WithTimeout(ctx, j.timeout)
		e, err := j.kv.Get(limited, key)
		cancel()
		var d Drain
		switch {
		case err == nil:
			d = decodeDrain(host, e)
		case !errors.Is(err, state.ErrNotFound):
			return err
		}
		if err := change(&d); err != nil {
			return err
		}
		if _, err := j.put(ctx, key, &d, d.index); !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
}

// forgetDrain removes a drain that is over.
func (j *Journal) forgetDrain(ctx context.Context, d *Drain) error {
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	return j.kv.Delete(ctx, j.drainKey(d.Host), d.index)
}

// byAge orders drains: the older one comes first.
func byAge(drains []Drain) []Drain {
	return slices.SortedFunc(slices.Values(drains), func(a, b Drain) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.Host, b.Host))
	})
}
