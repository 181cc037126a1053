package consul

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		read, running, most := map[string]int{}, 0, 0
		var leasts []uint64
		r := newReads(Config{BackoffMin: time.Second, BackoffMax: time.Second}, 2, func(_ context.Context, name string, least uint64) error {
			mu.Lock()
			read[name]++
			n := read[name]
			running++
			most = max(most, running)
			if name == "twice" {
				leasts = append(leasts, least)
			}
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			running--
			mu.Unlock()
			if name == "bad" && n == 1 {
				return errors.New("no")
			}
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.run(ctx) }()

		names := []string{"twice", "bad"}
		for i := range 8 {
			names = append(names, fmt.Sprint(i))
		}
		turn := r.begin(names)
		time.Sleep(50 * time.Millisecond)
		r.mark("twice", 7) // while it is being read
		r.mark("9", 0)
		r.mark("9", 0) // already waiting
		began := time.Now()
		if err := r.wait(ctx, turn, time.Second); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d != 450*time.Millisecond {
			t.Errorf("ten reads, two at once, ended after %s more, want 450ms: a read that failed counts as tried", d)
		}
		time.Sleep(5 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		for name, n := range read {
			want := 1
			if name == "twice" || name == "bad" {
				want = 2
			}
			if n != want {
				t.Errorf("%s was read %d times, want %d", name, n, want)
			}
		}
		if most != 2 || len(read) != 11 {
			t.Errorf("%d services, %d at once", len(read), most)
		}
		if len(leasts) != 2 || leasts[0] != 0 || leasts[1] != 7 {
			t.Errorf("the answers had to have %v, want [0 7]", leasts)
		}
		cancel()
		if err := <-done; err != context.Canceled {
			t.Errorf("run ended with %v", err)
		}
	})
}

func TestReadsDoNotWaitForOneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReads(Config{}, 2, func(ctx context.Context, name string, _ uint64) error {
			if name == "hangs" {
				<-ctx.Done()
			}
			return ctx.Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.run(ctx) }()
		began := time.Now()
		if err := r.wait(ctx, r.begin([]string{"hangs", "a", "b"}), time.Second); err != nil || time.Since(began) != time.Second {
			t.Errorf("waited %s: %v", time.Since(began), err)
		}
		cancel()
		<-done
	})
}
