package healer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/fairlead/fairlead/discovery/state"
)

// Journal is what the healers of a cluster remember together, in documents of the cluster's shared state under
// fairlead/healer/CLUSTER/: records of services, pauses, drains, and what people have been told. It keeps nothing itself: each Read is the
// truth of the moment, and each write holds only if the document is still what was read. Safe for concurrent use.
type Journal struct {
	kv      state.KV
	prefix  string
	timeout time.Duration
}

// Book is the content of the journal at one moment. It belongs to whoever read it.
type Book struct {
	Records map[string]*Record // by domain
	Pauses  []Pause            // by key
	Drains  []Drain            // by key
	// Problems name the documents that make no sense, other than records, which say so themselves.
	Problems []string

	matters matters
}

// busy reports whether the engine must be asked about a service although it is as wanted.
func (b *Book) busy(domain string) bool {
	if b == nil {
		return false
	}
	r := b.Records[domain]
	return len(b.Drains) > 0 || r != nil && r.Flight != nil
}

// NewJournal returns the journal of a cluster. timeout bounds each access.
func NewJournal(kv state.KV, cluster string, timeout time.Duration) *Journal {
	return &Journal{kv: kv, prefix: "fairlead/healer/" + url.PathEscape(cluster) + "/", timeout: timeout}
}

func (j *Journal) recordKey(domain string) string {
	return j.prefix + "records/" + url.PathEscape(domain)
}

func (j *Journal) mattersKey() string { return j.prefix + "matters" }

func (j *Journal) pauseKey(scope Scope, name string) string {
	return j.prefix + "pauses/" + string(scope) + "/" + url.PathEscape(strings.ToLower(name))
}

// Read reads all of the journal.
func (j *Journal) Read(ctx context.Context) (*Book, error) {
	entries, err := j.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the journal: %w", err)
	}
	b := &Book{Records: map[string]*Record{}}
	for _, e := range entries {
		j.decode(b, e)
	}
	return b, nil
}

func (j *Journal) decode(b *Book, e state.Entry) {
	kind, name, _ := strings.Cut(strings.TrimPrefix(e.Key, j.prefix), "/")
	var err error
	switch kind {
	case "records":
		r := &Record{index: e.Index}
		if err := json.Unmarshal(e.Value, r); err != nil {
			// Attempts that cannot be read may have been made: nothing is done for this service.
			r = &Record{index: e.Index, broken: fmt.Sprintf("%s cannot be read (%v); delete it", e.Key, err)}
		}
		domain, err := url.PathUnescape(name)
		if err == nil {
			b.Records[domain] = r
		}
	case "pauses":
		var p Pause
		if err = json.Unmarshal(e.Value, &p); err != nil {
			// A pause that cannot be read is in force: it is not known what it is not about.
			p = Pause{Scope: PauseAll, Author: e.Key, Reason: "the document cannot be read; delete it", Expires: farAway}
		}
		b.Pauses = append(b.Pauses, p)
	case "drains":
		d := decodeDrain(name, e)
		if d.broken != "" {
			b.Problems = append(b.Problems, d.broken)
		}
		b.Drains = append(b.Drains, d)
	case "matters":
		err = json.Unmarshal(e.Value, &b.matters)
		b.matters.index = e.Index
	}
	if err != nil {
		b.Problems = append(b.Problems, fmt.Sprintf("%s: %v", e.Key, err))
	}
}

// farAway is an end that does not come.
var farAway = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// list asks the store for everything: a watch's first report is the complete set.
func (j *Journal) list(ctx context.Context) (entries []state.Entry, err error) {
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	told := false
	end := j.kv.Watch(ctx, j.prefix, func(all []state.Entry, failure error) {
		if !told {
			told, entries, err = true, all, failure
			cancel()
		}
	})
	if !told {
		return nil, fmt.Errorf("%w: %w", state.ErrUnavailable, end)
	}
	return entries, err
}

// put writes a document if it is still at index, and returns its new one. state.ErrConflict says that somebody else has written it.
func (j *Journal) put(ctx context.Context, key string, document any, index uint64) (uint64, error) {
	value, err := json.Marshal(document)
	if err != nil {
		return 0, fmt.Errorf("writing %s: %w", key, err)
	}
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	if err := j.kv.CompareAndSet(ctx, key, value, index); err != nil {
		return 0, err
	}
	e, err := j.kv.Get(ctx, key)
	if err != nil {
		return 0, err
	}
	if !bytes.Equal(e.Value, value) {
		return 0, fmt.Errorf("writing %s: %w", key, state.ErrConflict)
	}
	return e.Index, nil
}

// write stores a record, or removes an empty one.
func (j *Journal) write(ctx context.Context, domain string, r *Record) (err error) {
	if !r.empty() {
		r.index, err = j.put(ctx, j.recordKey(domain), r, r.index)
		return err
	}
	if r.index == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	return j.kv.Delete(ctx, j.recordKey(domain), r.index)
}

// Forgive forgets the attempts at a service and ends its quarantine: an operator has mended what was wrong. A repair under way stays.
func (j *Journal) Forgive(ctx context.Context, domain string) error {
	domain, err := serviceName(domain)
	if err != nil {
		return err
	}
	for {
		b, err := j.Read(ctx)
		if err != nil {
			return err
		}
		r := b.Records[domain]
		if r == nil {
			return nil
		}
		r.Tries, r.Quarantine, r.LastError, r.broken = nil, nil, "", ""
		if err := j.write(ctx, domain, r); !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
}

// Pause stores a pause in place of an older one of the same scope and name.
func (j *Journal) Pause(ctx context.Context, p Pause) error {
	now := time.Now()
	if err := p.check(now); err != nil {
		return err
	}
	p.Created, p.Expires = now.UTC().Truncate(time.Second), p.Expires.UTC().Truncate(time.Second)
	key := j.pauseKey(p.Scope, p.Name)
	for {
		limited, cancel := context.WithTimeout(ctx, j.timeout)
		old, err := j.kv.Get(limited, key)
		cancel()
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
		if _, err := j.put(ctx, key, p, old.Index); !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
}

// Resume ends a pause. One that is not there is no error.
func (j *Journal) Resume(ctx context.Context, scope Scope, name string) error {
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	return j.kv.Delete(ctx, j.pauseKey(scope, name), 0)
}

// follow calls wake after each change of the journal, until ctx ends.
func (j *Journal) follow(ctx context.Context, wake func()) error {
	return j.kv.Watch(ctx, j.prefix, func([]state.Entry, error) { wake() })
}
