package state

import (
	"context"
	"errors"
)

// Errors of a store, to be told apart by errors.Is.
var (
	// ErrUnavailable: the store cannot be reached or read now. Last known documents hold, and a write is answered with 503.
	ErrUnavailable = errors.New("state is unavailable")
	// ErrNotFound: there is no such key.
	ErrNotFound = errors.New("no such key")
	// ErrConflict: the key has changed since the index the write was based on.
	ErrConflict = errors.New("the key has changed in between")
)

// Entry is a key with its value. Value is read-only.
type Entry struct {
	Key   string
	Value []byte
	// Index is the store's version of this entry, never 0: Consul's ModifyIndex.
	Index uint64
}

// KV is a store of small documents. Keys are paths without a leading slash: "fairlead/overrides/shop-1". Every method may be called
// from several goroutines, and every error of a store that does not answer is ErrUnavailable by errors.Is.
type KV interface {
	// Get returns the entry, or ErrNotFound.
	Get(ctx context.Context, key string) (Entry, error)
	// CompareAndSet stores value if the key's index is still index, where 0 says that there is no such key yet; else ErrConflict.
	// (PUT /v1/kv/KEY?cas=INDEX.)
	CompareAndSet(ctx context.Context, key string, value []byte, index uint64) error
	// Delete removes the key if its index is still index, where 0 says whatever it is; else ErrConflict. A key that is not there is
	// no error. (DELETE /v1/kv/KEY, with ?cas=INDEX unless index is 0, which Consul does not take as "any".)
	Delete(ctx context.Context, key string, index uint64) error
	// Watch follows every key that begins with prefix until ctx ends, and returns ctx's error then. It reports the complete set,
	// ordered by key, at first and after each change, or the error for which it has none at present; it goes on trying by itself.
	// report is called from one goroutine at a time.
	Watch(ctx context.Context, prefix string, report func(entries []Entry, err error)) error
}
