package discovery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"time"

	"github.com/fairlead/fairlead/discovery/state"
)

// The snapshot file's kind and version, as state.ReadFile checks them.
const (
	fileKind    = "catalog"
	fileVersion = 1
)

// fileContent is the snapshot file: what each source said last, so that it can be handed to the source again, and the masses held.
type fileContent struct {
	Cluster string       `json:"cluster"`
	Saved   time.Time    `json:"saved"`
	Sources []fileSource `json:"sources"`
	Masses  []fileMass   `json:"masses,omitempty"`
}

type fileSource struct {
	Name     string              `json:"name"`
	Services map[string]*Service `json:"services"`
}

type fileMass struct {
	Node      string        `json:"node,omitempty"`
	Since     time.Time     `json:"since"`
	Until     time.Time     `json:"until"`
	Gone      int           `json:"gone"`
	Of        int           `json:"of"`
	Window    time.Duration `json:"window"`
	Instances []Instance    `json:"instances"`
}

// Restore loads the snapshot file, if there is one; call it before Run. The cluster is ready then at once, if the file has the facts
// of all its sources. Restored instances say so in Held until their source confirms them or reports without them. An error
// names the file and where it is kept from then on, and means that nothing is restored and all else works.
func (c *Catalog) Restore() error {
	if c.o.File == "" {
		return nil
	}
	content, err := readFile(c.o.File, c.cluster)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("restoring cluster %s: %w", c.cluster, state.SetAside(c.o.File, err))
	}
	saved := map[string]map[string]*Service{}
	for _, s := range content.Sources {
		saved[s.Name] = s.Services
	}
	c.change(func(now time.Time) (dirty []string) {
		c.ledger.shared = content.shared()
		for _, f := range c.ledger.feeds {
			if services, ok := saved[f.status.Name]; ok {
				dirty = append(dirty, c.ledger.apply(now, f, Update{Services: services, Complete: true})...)
				delete(saved, f.status.Name)
			}
		}
		for _, m := range content.Masses {
			dirty = append(dirty, c.ledger.restoreMass(now, m)...)
		}
		return dirty
	})
	for name := range saved {
		c.log.Warn("facts in the snapshot file are of a source that is not configured now", "file", c.o.File, "source", name)
	}
	c.log.Info("restored facts", "file", c.o.File, "saved", content.Saved, "services", len(c.Facts().Services))
	return nil
}

// readFile reads and checks a cluster's snapshot file, and marks its instances as restored.
func readFile(path, cluster string) (*fileContent, error) {
	content := new(fileContent)
	if err := state.ReadFile(path, fileKind, fileVersion, content); err != nil {
		return nil, err
	}
	if content.Cluster != cluster {
		return nil, fmt.Errorf("reading %s: the file is of cluster %q", path, content.Cluster)
	}
	note := fmt.Sprintf("restored from the snapshot file of %s, not confirmed since", stamp(content.Saved))
	for _, source := range content.Sources {
		for name, s := range source.Services {
			if s == nil || s.Name != name {
				return nil, fmt.Errorf("reading %s: source %s: service %q is not whole", path, source.Name, name)
			}
			for i := range s.Instances {
				// One that was not confirmed when it was saved keeps the note of the older file.
				if s.Instances[i].Held == "" {
					s.Instances[i].Held = note
				}
			}
		}
	}
	return content, nil
}

// shared returns the instances that have their address and port in common with others.
func (c *fileContent) shared() map[string][]*Instance {
	alone, shared := map[string]*Instance{}, map[string][]*Instance{}
	for _, source := range c.Sources {
		for _, s := range source.Services {
			for n := range s.Instances {
				i := &s.Instances[n]
				if first := alone[i.HostPort()]; first == nil {
					alone[i.HostPort()] = i
				} else {
					shared[first.ID], shared[i.ID] = []*Instance{first}, []*Instance{i}
				}
			}
		}
	}
	return shared
}

// restoreMass holds a mass on that was held when the file was written, to its old end at the latest.
func (l *ledger) restoreMass(now time.Time, saved fileMass) (dirty []string) {
	m := &mass{node: saved.Node, since: saved.Since, until: saved.Until, gone: saved.Gone, of: saved.Of, window: saved.Window}
	if latest := now.Add(l.rule.hold); m.until.After(latest) {
		m.until = latest // the clock was set back, or the setting shortened
	}
	if !m.until.After(now) {
		return nil
	}
	for _, i := range saved.Instances {
		if l.ids[i.ID] == 0 && l.holds[i.ID] == nil {
			l.keep(i.Service, i, m, now)
			dirty = append(dirty, i.Service)
		}
	}
	if m.held > 0 {
		l.masses = append(l.masses, m)
	}
	return dirty
}

// content returns what the snapshot file should hold now, false while no source has been heard: an old file is worth more then.
func (l *ledger) content(now time.Time) (fileContent, bool) {
	content := fileContent{Cluster: l.cluster, Saved: now}
	for _, f := range l.feeds {
		if f.heard {
			content.Sources = append(content.Sources, fileSource{f.status.Name, maps.Clone(f.services)})
		}
	}
	for _, m := range l.masses {
		saved := fileMass{Node: m.node, Since: m.since, Until: m.until, Gone: m.gone, Of: m.of, Window: m.window}
		for _, h := range l.holds {
			if h.mass == m {
				saved.Instances = append(saved.Instances, h.instance)
			}
		}
		content.Masses = append(content.Masses, saved)
	}
	return content, len(content.Sources) > 0
}

// keepFile writes the snapshot file after changes, at most every SaveEvery, and once more when ctx ends. What cannot be written is
// tried again, and told of once.
func (c *Catalog) keepFile(ctx context.Context) error {
	failing := false
	save := func() {
		err := c.save()
		if err != nil {
			trigger(c.unsaved)
		}
		if err != nil && !failing {
			c.log.Error("snapshot file not saved, a restart will not know the latest facts", "error", err)
		}
		failing = err != nil
	}
	pause := time.NewTimer(0)
	defer pause.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-c.unsaved:
			save()
			pause.Reset(c.o.SaveEvery)
			select {
			case <-ctx.Done():
			case <-pause.C:
			}
		}
	}
	save()
	return ctx.Err()
}

// save writes the snapshot file.
func (c *Catalog) save() error {
	c.mu.Lock()
	content, worth := c.ledger.content(time.Now())
	c.mu.Unlock()
	if !worth {
		return nil
	}
	return state.WriteFile(c.o.File, fileKind, fileVersion, content)
}
