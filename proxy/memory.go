package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/discovery/state"
	"github.com/fairlead/fairlead/proxy/pool"
)

// memory is what an edge knows from earlier on: sightings, and the overrides each cluster's state had when it was last heard. One is
// shared by all Edges that name the same file.
type memory struct {
	file      string
	sightings *sightings
	unsaved   chan struct{}

	loading sync.Once
	mu      sync.Mutex
	orders  map[string]map[string]pool.Override // by cluster, by instance
	saving  sync.Mutex                          // one write at a time
}

// memoryFile is the content of the file.
type memoryFile struct {
	Domains   map[string]sighting        `json:"domains"`
	Granted   map[string]grant           `json:"granted,omitempty"`
	Overrides map[string][]pool.Override `json:"overrides,omitempty"`
}

// The envelope of the memory's file.
const (
	memoryKind    = "edge-memory"
	memoryVersion = 1
)

func newMemory(file string) *memory {
	return &memory{
		file: file, sightings: newSightings(), unsaved: make(chan struct{}, 1), orders: map[string]map[string]pool.Override{},
	}
}

// load reads the file once. A missing one is the first start; a broken one is an error to tell of, which says where it is kept from then
// on, and nothing is remembered.
func (m *memory) load() (err error) {
	m.loading.Do(func() {
		if m.file == "" {
			return
		}
		var f memoryFile
		if err = state.ReadFile(m.file, memoryKind, memoryVersion, &f); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			} else {
				err = fmt.Errorf("reading the edge's memory: %w; starting without sightings and overrides", state.SetAside(m.file, err))
			}
			return
		}
		m.sightings.restore(f.Domains, f.Granted)
		for cluster, orders := range f.Overrides {
			byID := map[string]pool.Override{}
			for _, o := range orders {
				byID[o.Instance] = o
			}
			m.setOrders(cluster, byID)
		}
	})
	return err
}

// setOrders remembers a cluster's overrides. The map is not changed afterwards.
func (m *memory) setOrders(cluster string, orders map[string]pool.Override) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.orders[cluster] = orders
}

// lastOrders returns a cluster's overrides as last heard; read-only.
func (m *memory) lastOrders(cluster string) map[string]pool.Override {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.orders[cluster]
}

// touch says that there is something new to save.
func (m *memory) touch() { trigger(m.unsaved) }

// save writes the file: what table serves is seen at this moment, what was not for keep is forgotten.
func (m *memory) save(table *pool.Table, now time.Time, keep time.Duration) error {
	m.sightings.saw(served(table.Load()), now)
	m.sightings.forget(now.Add(-keep))
	if m.file == "" {
		return nil
	}
	m.saving.Lock()
	defer m.saving.Unlock()
	f := memoryFile{Overrides: map[string][]pool.Override{}}
	f.Domains, f.Granted = m.sightings.copies()
	m.mu.Lock()
	for cluster, orders := range m.orders {
		f.Overrides[cluster] = slices.SortedFunc(maps.Values(orders), byInstance)
	}
	m.mu.Unlock()
	if err := state.WriteFile(m.file, memoryKind, memoryVersion, f); err != nil {
		return fmt.Errorf("saving the edge's memory: %w", err)
	}
	return nil
}

// keepMemory saves the memory after changes, from time to time, and at the end, until ctx ends.
func (e *Edge) keepMemory(ctx context.Context) error {
	save := func() {
		if err := e.memory.save(e.table, time.Now(), e.config.Certificates.Keep); err != nil {
			e.log.Error("memory not saved", "error", err)
		}
	}
	defer save()
	for {
		refresh := time.NewTimer(e.config.Memory.RefreshEvery)
		select {
		case <-e.memory.unsaved:
		case <-refresh.C:
		case <-ctx.Done():
		}
		refresh.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		save()
		pause := time.NewTimer(e.config.Memory.SaveEvery)
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
		pause.Stop()
	}
}
