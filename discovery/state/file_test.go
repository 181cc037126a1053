package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestFileStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "live.json")
	kv := NewFile(path)
	ctx := t.Context()
	put := func(key, value string, index uint64, want error) {
		t.Helper()
		if err := kv.CompareAndSet(ctx, key, []byte(value), index); !errors.Is(err, want) {
			t.Errorf("setting %s at %d: %v, want %v", key, index, err, want)
		}
	}
	get := func(key, want string) uint64 {
		t.Helper()
		e, err := kv.Get(ctx, key)
		if want == "" && !errors.Is(err, ErrNotFound) || want != "" && (err != nil || string(e.Value) != want || e.Key != key || e.Index == 0) {
			t.Errorf("%s is %+v, %v, want %q", key, e, err, want)
		}
		return e.Index
	}
	get("a", "")
	put("a", "1", 7, ErrConflict)
	put("a", "1", 0, nil)
	put("a", "2", 0, ErrConflict)
	first := get("a", "1")
	put("a", "2", first, nil)
	second := get("a", "2")
	put("a", "3", first, ErrConflict)
	if err := kv.Delete(ctx, "a", first); !errors.Is(err, ErrConflict) {
		t.Errorf("deleting at an old index: %v", err)
	}
	if err := kv.Delete(ctx, "a", second); err != nil {
		t.Error(err)
	}
	for _, index := range []uint64{0, second} {
		if err := kv.Delete(ctx, "a", index); err != nil {
			t.Errorf("deleting what is not there: %v", err)
		}
	}
	put("a", "4", second, ErrConflict)
	put("a", "4", 0, nil)
	if third := get("a", "4"); third <= second {
		t.Errorf("index %d was given again after %d", third, second)
	}
	if err := kv.Delete(ctx, "a", 0); err != nil {
		t.Error(err)
	}
	get("a", "")
}

func TestBrokenStoreIsUnavailableAndNotWrittenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.json")
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	kv := NewFile(path)
	_, err := kv.Get(t.Context(), "a")
	for what, err := range map[string]error{
		"get": err, "set": kv.CompareAndSet(t.Context(), "a", nil, 0), "delete": kv.Delete(t.Context(), "a", 0),
	} {
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if left, err := os.ReadFile(path); err != nil || string(left) != "garbage" {
		t.Errorf("the file is now %q, %v", left, err)
	}
}

func TestStoreWithoutTimeIsUnavailable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.json")
	unlock, err := lock(t.Context(), path+".lock")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := NewFile(path).CompareAndSet(ctx, "a", nil, 0); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("writing under another's lock: %v", err)
	}
}

// Two users of one file never lose each other's writes.
func TestWritersOfOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.json")
	const writers, rounds = 4, 10
	var wg sync.WaitGroup
	for range writers {
		kv := NewFile(path)
		wg.Go(func() {
			for done := 0; done < rounds; {
				e, err := kv.Get(t.Context(), "count")
				if err != nil && !errors.Is(err, ErrNotFound) {
					t.Error(err)
					return
				}
				err = kv.CompareAndSet(t.Context(), "count", append(slices.Clone(e.Value), 'x'), e.Index)
				if err == nil {
					done++
				} else if !errors.Is(err, ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if e, err := NewFile(path).Get(t.Context(), "count"); err != nil || len(e.Value) != writers*rounds {
		t.Errorf("%d of %d writes counted, %v", len(e.Value), writers*rounds, err)
	}
}

// watched starts a watch in a bubble and returns what it reported since it was last asked.
func watched(t *testing.T, kv KV, prefix string) (reports func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	var mu sync.Mutex
	var all []string
	go func() {
		done <- kv.Watch(ctx, prefix, func(entries []Entry, err error) {
			mu.Lock()
			defer mu.Unlock()
			line := fmt.Sprint(errors.Is(err, ErrUnavailable))
			if err == nil {
				line = ""
				for _, e := range entries {
					line += fmt.Sprintf("%s=%s ", e.Key, e.Value)
				}
			}
			all = append(all, "["+strings.TrimSpace(line)+"]")
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch returned %v", err)
		}
	})
	return func() string {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		defer func() { all = nil }()
		return strings.Join(all, " ")
	}
}

func TestWatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.json")
	synctest.Test(t, func(t *testing.T) {
		kv, other := NewFile(path), NewFile(path)
		reports := watched(t, kv, "a/")
		expect := func(what, want string) {
			t.Helper()
			if got := reports(); got != want {
				t.Errorf("%s: reported %q, want %q", what, got, want)
			}
		}
		set := func(kv *File, key, value string) {
			t.Helper()
			e, err := kv.Get(t.Context(), key)
			if err != nil && !errors.Is(err, ErrNotFound) {
				t.Fatal(err)
			}
			if err := kv.CompareAndSet(t.Context(), key, []byte(value), e.Index); err != nil {
				t.Fatal(err)
			}
		}
		expect("at first", "[]")
		set(kv, "a/2", "x")
		expect("its own write", "[a/2=x]")
		set(kv, "b/1", "y")
		expect("another prefix", "")
		set(other, "a/1", "z")
		expect("another's write, at once", "")
		time.Sleep(time.Second)
		expect("another's write, a poll later", "[a/1=z a/2=x]")
		set(kv, "a/1", "z")
		expect("a write of the same value has a new index", "[a/1=z a/2=x]")

		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"garbage", "garbage", string(whole[:len(whole)/2])} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		expect("two kinds of broken file", "[true] [true]")
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		expect("the file is whole again", "[a/1=z a/2=x]")
		if err := kv.Delete(t.Context(), "a/2", 0); err != nil {
			t.Fatal(err)
		}
		expect("a key is deleted", "[a/1=z]")
		time.Sleep(time.Hour)
		expect("nothing happens", "")
	})
}
