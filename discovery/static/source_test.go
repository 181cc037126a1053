package static

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// heard collects what a source reports.
type heard struct {
	mu      sync.Mutex
	updates []discovery.Update
}

func (h *heard) report(u discovery.Update) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.updates = append(h.updates, u)
}

// follow runs a source on path in a bubble, at its default poll, and returns what it reports from then on.
func follow(t *testing.T, path string) *heard {
	t.Helper()
	h := new(heard)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- New("live", path, 0, nil).Run(ctx, nil, h.report) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
	synctest.Wait()
	return h
}

// next waits for the next look and returns the only report since the last call, nil for none.
func (h *heard) next(t *testing.T) *discovery.Update {
	t.Helper()
	time.Sleep(time.Second)
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	defer func() { h.updates = nil }()
	switch len(h.updates) {
	case 0:
		return nil
	case 1:
		return &h.updates[0]
	}
	t.Errorf("%d reports at once", len(h.updates))
	return nil
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSourceFollowsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "facts.json")
	synctest.Test(t, func(t *testing.T) {
		h := follow(t, path)
		u := h.next(t)
		if u == nil || u.Status.Ready || u.Complete || len(u.Status.Doubts) != 1 || !strings.Contains(u.Status.Doubts[0].Reason, path) {
			t.Fatalf("a missing file: %+v", u)
		}
		if u := h.next(t); u != nil {
			t.Errorf("a missing file was reported again: %+v", u)
		}

		write(t, path, good)
		u = h.next(t)
		if u == nil || !u.Complete || !u.Trusted || !u.Status.Ready || len(u.Status.Doubts) != 0 || u.Status.LastAnswer.IsZero() ||
			len(u.Services["shop.example.com"].Instances) != 2 || u.Status.Name != "static "+path {
			t.Fatalf("the first good file: %+v", u)
		}
		for range 3 {
			if u := h.next(t); u != nil {
				t.Errorf("a file that stays as it is was reported: %+v", u)
			}
		}

		since := time.Now()
		write(t, path, good[:40])
		if u = h.next(t); u == nil || u.Services != nil || u.Complete || !u.Status.Ready || len(u.Status.Doubts) != 1 {
			t.Fatalf("a file half written: %+v", u)
		}
		write(t, path, good[:10])
		if u = h.next(t); u == nil || len(u.Status.Doubts) != 1 || u.Status.Doubts[0].Since.Sub(since) > time.Second {
			t.Fatalf("another half: %+v", u)
		}
		write(t, path, good)
		if u = h.next(t); u == nil || u.Complete || len(u.Status.Doubts) != 0 {
			t.Fatalf("the same file as before: %+v", u)
		}

		write(t, path+".new", `{"services": {}}`)
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		if u = h.next(t); u == nil || !u.Complete || !u.Trusted || len(u.Services) != 0 {
			t.Fatalf("a renamed file: %+v", u)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if u = h.next(t); u == nil || u.Complete || len(u.Status.Doubts) != 1 {
			t.Fatalf("a removed file: %+v", u)
		}
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if u = h.next(t); u == nil || u.Complete || !strings.Contains(u.Status.Doubts[0].Reason, "not a regular file") {
			t.Fatalf("a directory: %+v", u)
		}
	})
}

// A file that has settled is not read again until its stat changes.
func TestSourceReadsASettledFileOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "facts.json")
	write(t, path, good)
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, past, past); err != nil {
		t.Fatal(err)
	}
	f := &follower{Source: New("live", path, 0, nil), report: func(discovery.Update) {}}
	f.look()
	if f.stat == nil {
		t.Fatal("a settled file gets a second look")
	}
	f.text = nil
	f.look()
	if f.text != nil {
		t.Error("an unchanged file was read again")
	}
	write(t, path, `{"services": {}}`)
	f.look()
	if f.stat != nil || string(f.text) != `{"services": {}}` {
		t.Error("a changed file was not read, or is not looked at again although it is fresh")
	}
}

// Through the catalog: what an operator takes out of the file is gone, a mistake in it is a doubt that takes nothing away.
func TestSourceInACatalog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "facts.json")
	many := `{"services": {"shop": [{"address": "a", "port": 1}, {"address": "b", "port": 1}, {"address": "c", "port": 1}, {"address": "d", "port": 1}]}}`
	write(t, path, many)
	synctest.Test(t, func(t *testing.T) {
		c := discovery.NewCatalog("live", []discovery.Source{New("live", path, 0, nil)}, discovery.CatalogOptions{})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		look := func(instances int, inDoubt bool) {
			t.Helper()
			time.Sleep(time.Second)
			synctest.Wait()
			f, got := c.Facts(), 0
			if s := f.Services["shop"]; s != nil {
				got = len(s.Instances)
			}
			if !f.Ready || got != instances || f.InDoubt() != inDoubt {
				t.Errorf("ready %v, %d instances, in doubt %v; want %d, %v", f.Ready, got, f.InDoubt(), instances, inDoubt)
			}
		}
		look(4, false)
		write(t, path, many[:len(many)-2])
		look(4, true)
		write(t, path, `{"services": {}}`)
		look(0, false)
		cancel()
		<-done
	})
}
