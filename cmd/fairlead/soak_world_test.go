package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// soakWorld is the members that a soaked edge has, and the catalogue that tells of them.
type soakWorld struct {
	file    string
	number  int
	members map[string][]*lab.Backend // by domain; the first of each stays
}

func newSoakWorld(t *testing.T) *soakWorld {
	w := &soakWorld{members: map[string][]*lab.Backend{}}
	for _, domain := range []string{soakQuick, soakBulk} {
		for range 3 {
			w.add(t, domain)
		}
	}
	w.file = writeCatalog(t, w.members)
	return w
}

func (w *soakWorld) add(t *testing.T, domain string) {
	w.number++
	var handler http.Handler
	if domain == soakBulk {
		handler = http.HandlerFunc(soakAnswer)
	}
	w.members[domain] = append(w.members[domain], lab.StartBackend(t, fmt.Sprintf("m%d", w.number), handler))
}

// drop takes the second member out of the list of a domain and returns it.
func (w *soakWorld) drop(domain string) *lab.Backend {
	all := w.members[domain]
	gone := all[1]
	w.members[domain] = append(all[:1:1], all[2:]...)
	return gone
}

// stir lets members come, go, drain and die until ctx ends.
func (w *soakWorld) stir(ctx context.Context, t *testing.T, e *lab.Edge) {
	pause := func(d time.Duration) bool {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(d):
			return true
		}
	}
	for pause(500 * time.Millisecond) {
		// One dies without a word, and is taken out only later.
		w.members[soakQuick][1].Close()
		if !pause(time.Second) {
			return
		}
		w.drop(soakQuick)
		w.add(t, soakQuick)
		saveCatalog(t, w.file, w.members)
		// Another is drained by an operator, and ends when what it has is done.
		leaving := w.members[soakBulk][1]
		if err := drain(e, leaving); err != nil && ctx.Err() == nil {
			t.Errorf("draining: %v", err)
		}
		if !pause(time.Second) {
			return
		}
		w.drop(soakBulk)
		w.add(t, soakBulk)
		saveCatalog(t, w.file, w.members)
		if !pause(2 * time.Second) {
			return
		}
		leaving.Close()
	}
}

// drain drains a member as an operator does, and once more where a reload has just closed the admin endpoint's connections.
func drain(e *lab.Edge, b *lab.Backend) (err error) {
	for range 3 {
		if err = drainOnce(e, b); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

func drainOnce(e *lab.Edge, b *lab.Backend) error {
	id, err := instanceOf(e, b)
	if err != nil {
		return err
	}
	order := bytes.NewReader([]byte(`{"action": "drain", "author": "soak", "reason": "it leaves", "ttl": "1m"}`))
	r, err := http.NewRequest("PUT", e.Admin+"/fairlead/overrides/"+id, order)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return err
}

// instanceOf returns the ID of the instance at a backend's address.
func instanceOf(e *lab.Edge, b *lab.Backend) (string, error) {
	var answer struct {
		Pools []struct {
			Groups []struct {
				Members []struct{ Instance, Address string }
			}
		}
	}
	if err := e.GetJSON("/fairlead/pools/"+soakBulk, &answer); err != nil {
		return "", err
	}
	for _, p := range answer.Pools {
		for _, g := range p.Groups {
			for _, m := range g.Members {
				if m.Address == b.Addr() {
					return m.Instance, nil
				}
			}
		}
	}
	return "", fmt.Errorf("nobody is at %s", b.Addr())
}

// soakAnswer answers with what it got, or with as much as was asked for.
func soakAnswer(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		buf := buffers.Get().(*bytes.Buffer)
		defer buffers.Put(buf)
		buf.Reset()
		if _, err := buf.ReadFrom(r.Body); err == nil {
			w.Write(buf.Bytes()) // the client tells if that fails
		}
		return
	}
	w.Header().Set("Content-Length", "700000")
	w.Write(make([]byte, 700_000))
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
