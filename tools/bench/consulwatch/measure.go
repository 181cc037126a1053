package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/consul"
	realconsul "github.com/fairlead/fairlead/tools/consul"
	"github.com/fairlead/fairlead/tools/lab"
)

// follower holds what a source reports, and tells when it was reported.
type follower struct {
	mu       sync.Mutex
	complete time.Time
	services map[string]*discovery.Service
	status   discovery.SourceStatus
	changed  chan struct{}
}

func (f *follower) report(u discovery.Update) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if u.Complete && f.complete.IsZero() {
		f.complete = time.Now()
	}
	for name, service := range u.Services {
		f.services[name] = service
	}
	f.status = u.Status
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// until waits for ok, at most a minute.
func (f *follower) until(ctx context.Context, ok func() bool) error {
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for {
		f.mu.Lock()
		now, doubts := ok(), f.status.Doubts
		f.mu.Unlock()
		if now {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.changed:
		case <-deadline.C:
			return fmt.Errorf("nothing within a minute; doubts %v", doubts)
		}
	}
}

// version returns the Meta version of a service's instance, "" if there is none.
func (f *follower) version(name, id string) string {
	if s := f.services[name]; s != nil {
		for i := range s.Instances {
			if s.Instances[i].ServiceID == id {
				return s.Instances[i].Meta["version"]
			}
		}
	}
	return ""
}

// bench is one scenario under way.
type bench struct {
	agent   *realconsul.Agent
	catalog *realconsul.Catalog
	size    size
	*follower
}

// measure runs a scenario and returns its row of the table.
func measure(ctx context.Context, sc scenario, s size) (string, error) {
	binary, err := realconsul.Binary()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "consulwatch")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	agent, err := realconsul.Launch(binary, dir, realconsul.Options{Persistent: true, HTTPS: sc.https, MaxConns: sc.limit})
	if err != nil {
		return "", err
	}
	defer agent.Kill()
	if err := agent.WaitLeader(time.Minute); err != nil {
		return "", err
	}
	b := &bench{agent: agent, catalog: &realconsul.Catalog{Client: agent.Client(), Nodes: sc.nodes}, size: s,
		follower: &follower{services: map[string]*discovery.Service{}, changed: make(chan struct{}, 1)}}
	if err := b.catalog.Fill(s.services, s.copies); err != nil {
		return "", err
	}
	if err := b.settle(ctx); err != nil {
		return "", err
	}
	alone, _, err := b.rest(ctx)
	if err != nil {
		return "", err
	}
	before, err := lab.RSS(agent.PID())
	if err != nil {
		return "", err
	}
	config := consul.Config{Cluster: "live", Address: agent.HTTP, MaxWatches: sc.watches}
	if sc.https {
		config.Address, config.TLS.CAFile = "https://"+agent.HTTPS, agent.CAFile
	}
	source, err := consul.New(config)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	began := time.Now()
	go func() { done <- source.Run(ctx, nil, b.report) }()
	defer func() {
		cancel()
		<-done
	}()
	if err := b.until(ctx, func() bool { return !b.complete.IsZero() && len(b.services) >= s.services }); err != nil {
		return "", err
	}
	return b.row(ctx, sc.name, b.complete.Sub(began), alone, before)
}

// settle waits until what was begun is done: a filled catalog's raft log, or the first round of watches.
func (b *bench) settle(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(5 * time.Second):
		return nil
	}
}

func (b *bench) row(ctx context.Context, name string, first time.Duration, alone float64, before int64) (string, error) {
	if err := b.settle(ctx); err != nil {
		return "", err
	}
	consulRest, ownRest, err := b.rest(ctx)
	if err != nil {
		return "", err
	}
	after, err := lab.RSS(b.agent.PID())
	if err != nil {
		return "", err
	}
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)

	consulCPU, err := lab.CPU(b.agent.PID())
	if err != nil {
		return "", err
	}
	ownBefore := ownCPU()
	change, err := b.oneByOne(ctx, b.change)
	if err != nil {
		return "", err
	}
	consulAfter, err := lab.CPU(b.agent.PID())
	if err != nil {
		return "", err
	}
	ownAfter := ownCPU()
	come, err := b.oneByOne(ctx, b.come)
	if err != nil {
		return "", err
	}
	gone, err := b.oneByOne(ctx, b.gone)
	if err != nil {
		return "", err
	}
	atOnce, err := b.atOnce(ctx)
	if err != nil {
		return "", err
	}
	b.mu.Lock()
	watches := b.status.Watches
	b.mu.Unlock()
	each := float64(b.size.changes)
	return fmt.Sprintf("| %s | %d | %.1f | %d → %d | %d | %.1f, %.1f, %.1f | %s | %.1f, %.1f | %s | %s | %s |", name, watches, first.Seconds(), before>>20, after>>20,
		memory.HeapAlloc>>20, alone, consulRest, ownRest, change, ms(consulAfter-consulCPU)/each, ms(ownAfter-ownBefore)/each, come, gone, atOnce), nil
}

// rest returns the CPU that Consul and we use at rest, in percent of a core.
func (b *bench) rest(ctx context.Context) (consul, own float64, err error) {
	consulBefore, err := lab.CPU(b.agent.PID())
	if err != nil {
		return 0, 0, err
	}
	ownBefore := ownCPU()
	select {
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	case <-time.After(b.size.idle):
	}
	consulAfter, err := lab.CPU(b.agent.PID())
	if err != nil {
		return 0, 0, err
	}
	percent := func(d time.Duration) float64 { return 100 * d.Seconds() / b.size.idle.Seconds() }
	return percent(consulAfter - consulBefore), percent(ownCPU() - ownBefore), nil
}

// change gives one instance of a service other Meta.
func (b *bench) change(ctx context.Context, i int) error {
	service := i * 7 % b.size.services
	name, id, at := fmt.Sprintf("s%04d.example.com", service), fmt.Sprintf("s%04d-0", service), service*b.size.copies
	version := fmt.Sprint("changed ", i)
	if err := b.catalog.Register(name, id, at, version); err != nil {
		return err
	}
	return b.until(ctx, func() bool { return b.version(name, id) == version })
}

// come registers a service nobody knew.
func (b *bench) come(ctx context.Context, i int) error {
	name := fmt.Sprintf("new%04d.example.com", i)
	if err := b.catalog.Register(name, name, i, "new"); err != nil {
		return err
	}
	return b.until(ctx, func() bool { return b.version(name, name) != "" })
}

// gone deregisters what come registered.
func (b *bench) gone(ctx context.Context, i int) error {
	name := fmt.Sprintf("new%04d.example.com", i)
	if err := b.catalog.Deregister(name, i); err != nil {
		return err
	}
	return b.until(ctx, func() bool { return b.version(name, name) == "" })
}

// oneByOne times the steps, each from before its write until it is reported.
func (b *bench) oneByOne(ctx context.Context, step func(context.Context, int) error) (string, error) {
	times := make([]time.Duration, b.size.changes)
	for i := range times {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(b.size.pause):
		}
		began := time.Now()
		if err := step(ctx, i); err != nil {
			return "", err
		}
		times[i] = time.Since(began)
	}
	return quantiles(times), nil
}

// atOnce registers new services as fast as eight writers can, and times each from its write until it is reported.
func (b *bench) atOnce(ctx context.Context) (string, error) {
	began := make([]time.Time, b.size.changes)
	name := func(i int) string { return fmt.Sprintf("burst%04d.example.com", i) }
	next, failed := make(chan int), make(chan error, 8)
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for i := range next {
				b.mu.Lock()
				began[i] = time.Now()
				b.mu.Unlock()
				if err := b.catalog.Register(name(i), name(i), i, "new"); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	times, seen := make([]time.Duration, b.size.changes), make([]bool, b.size.changes)
	go func() {
		defer close(next)
		for i := range b.size.changes {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	err := b.until(ctx, func() bool {
		all := true
		for i := range seen {
			if !seen[i] && b.version(name(i), name(i)) != "" {
				seen[i], times[i] = true, time.Since(began[i])
			}
			all = all && seen[i]
		}
		return all
	})
	if err != nil {
		return "", err
	}
	writers.Wait()
	select {
	case err := <-failed:
		return "", err
	default:
		return quantiles(times), nil
	}
}

func quantiles(times []time.Duration) string {
	slices.Sort(times)
	return fmt.Sprintf("%.1f / %.1f", ms(times[len(times)/2]), ms(times[len(times)*99/100]))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
