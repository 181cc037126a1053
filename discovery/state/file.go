package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// The file's kind and version, as ReadFile checks them.
const (
	fileKind    = "state"
	fileVersion = 1
)

// File is a KV in one file of this machine, for an edge without Consul. It may be open several times, in this process and in others:
// a lock beside it (the path with ".lock" appended) makes their writes wait for each other.
type File struct {
	// Poll is how often watches look for the writes of others (a second); to be set before the first watch. Those of this File
	// they see at once.
	Poll time.Duration

	path    string
	mu      sync.Mutex
	written chan struct{} // closed and replaced when this File has written
}

var _ KV = (*File)(nil)

// NewFile returns the store in the file at path, which need not exist yet.
func NewFile(path string) *File {
	return &File{Poll: time.Second, path: path, written: make(chan struct{})}
}

// content is what the file holds.
type content struct {
	// Index is that of the latest write; it never falls, so that no entry gets an index twice.
	Index   uint64            `json:"index"`
	Entries map[string]stored `json:"entries"`
}

type stored struct {
	Value []byte `json:"value"`
	Index uint64 `json:"index"`
}

// Get returns the entry, or ErrNotFound.
func (f *File) Get(ctx context.Context, key string) (Entry, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, unavailable("reading "+key, err)
	}
	c, err := f.load()
	if err != nil {
		return Entry{}, unavailable("reading "+key, err)
	}
	s, found := c.Entries[key]
	if !found {
		return Entry{}, fmt.Errorf("reading %s: %w", key, ErrNotFound)
	}
	return Entry{Key: key, Value: s.Value, Index: s.Index}, nil
}

// CompareAndSet stores value if the key's index is still index, 0 for a key that is not there.
func (f *File) CompareAndSet(ctx context.Context, key string, value []byte, index uint64) error {
	return f.change(ctx, "writing "+key, func(c *content) (bool, error) {
		if c.Entries[key].Index != index {
			return false, ErrConflict
		}
		c.Index++
		c.Entries[key] = stored{bytes.Clone(value), c.Index}
		return true, nil
	})
}

// Delete removes the key if its index is still index, 0 for whatever it is.
func (f *File) Delete(ctx context.Context, key string, index uint64) error {
	return f.change(ctx, "deleting "+key, func(c *content) (bool, error) {
		s, found := c.Entries[key]
		if !found {
			return false, nil
		}
		if index != 0 && s.Index != index {
			return false, ErrConflict
		}
		c.Index++
		delete(c.Entries, key)
		return true, nil
	})
}

// Watch reports the entries under prefix at first and after each change, until ctx ends.
func (f *File) Watch(ctx context.Context, prefix string, report func(entries []Entry, err error)) error {
	w := watcher{prefix: prefix, report: report}
	ticker := time.NewTicker(f.Poll)
	defer ticker.Stop()
	for {
		// Taken before the look, so that no write falls between the look and the wait.
		written := f.nextWrite()
		w.look(f)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-written:
			w.stat = nil
		case <-ticker.C:
		}
	}
}

// load reads the file. One that is not there is an empty store.
func (f *File) load() (*content, error) {
	c := new(content)
	if err := ReadFile(f.path, fileKind, fileVersion, c); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if c.Entries == nil {
		c.Entries = map[string]stored{}
	}
	return c, nil
}

// change does something to the content under the lock and writes it, if do says that there is something to write. A file that cannot
// be read is not written over.
func (f *File) change(ctx context.Context, what string, do func(*content) (changed bool, err error)) error {
	unlock, err := lock(ctx, f.path+".lock")
	if err != nil {
		return unavailable(what, err)
	}
	defer unlock()
	c, err := f.load()
	if err != nil {
		return unavailable(what, err)
	}
	changed, err := do(c)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if !changed {
		return nil
	}
	if err := WriteFile(f.path, fileKind, fileVersion, c); err != nil {
		return unavailable(what, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.written)
	f.written = make(chan struct{})
	return nil
}

// nextWrite returns a channel that is closed with the next write of this File.
func (f *File) nextWrite() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.written
}

// unavailable makes an error ErrUnavailable, and keeps what it says.
func unavailable(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, err)
}

// watcher is one Watch's memory of the file.
type watcher struct {
	prefix string
	report func([]Entry, error)
	stat   fs.FileInfo // of the last look that needs no second one
	told   bool        // entries have been reported, and no error since
	last   []Entry
	reason string // of the last error reported
}

// look reads the file if it may have changed, and reports what has.
func (w *watcher) look(f *File) {
	stat, err := os.Stat(f.path)
	if err == nil && w.stat != nil && os.SameFile(w.stat, stat) && w.stat.ModTime().Equal(stat.ModTime()) && w.stat.Size() == stat.Size() {
		return
	}
	c, err := f.load()
	if err != nil {
		w.fail(unavailable("watching "+w.prefix, err))
		return
	}
	// A file written a moment ago may be written again within its time stamp's grain: it gets another look.
	if stat != nil && time.Since(stat.ModTime()) > time.Second {
		w.stat = stat
	}
	var entries []Entry
	for _, key := range slices.Sorted(maps.Keys(c.Entries)) {
		if strings.HasPrefix(key, w.prefix) {
			entries = append(entries, Entry{key, c.Entries[key].Value, c.Entries[key].Index})
		}
	}
	if w.told && slices.EqualFunc(w.last, entries, func(a, b Entry) bool { return a.Key == b.Key && a.Index == b.Index }) {
		return
	}
	w.told, w.last, w.reason = true, entries, ""
	w.report(entries, nil)
}

// fail reports an error, once for each reason.
func (w *watcher) fail(err error) {
	w.stat = nil
	if w.reason == err.Error() {
		return
	}
	w.told, w.reason = false, err.Error()
	w.report(nil, err)
}
