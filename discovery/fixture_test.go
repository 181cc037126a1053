package discovery

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// script is a source that reports what a test tells it to.
type script struct {
	name    string
	reports chan Update
	known   chan map[string]*Service
	end     chan error
}

func newScript(name string) *script {
	return &script{name: name, reports: make(chan Update), known: make(chan map[string]*Service, 1), end: make(chan error, 1)}
}

func (s *script) Name() string { return s.name }

func (s *script) Run(ctx context.Context, known map[string]*Service, report func(Update)) error {
	s.known <- known
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.end:
			return err
		case u := <-s.reports:
			report(u)
		}
	}
}

// say reports and waits until all that follows from it has happened.
func (s *script) say(u Update) {
	s.reports <- u
	synctest.Wait()
}

var _ Source = (*script)(nil)

// ports is what a test's probes find open.
type ports struct {
	mu     sync.Mutex
	closed map[string]bool
	probes int
}

func (p *ports) probe(_ context.Context, hostport string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.probes++
	if p.closed[hostport] {
		return errors.New("connection refused")
	}
	return nil
}

func (p *ports) close(hostports ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed == nil {
		p.closed = map[string]bool{}
	}
	for _, h := range hostports {
		p.closed[h] = true
	}
}

// service makes a service of instances written "node/id", with "!" behind a critical one and "@address" for another than the default.
func service(name string, instances ...string) *Service {
	s := &Service{Name: name}
	for _, word := range instances {
		word, critical := strings.CutSuffix(word, "!")
		word, address, moved := strings.Cut(word, "@")
		node, id, _ := strings.Cut(word, "/")
		i := Instance{ID: InstanceID("live", node, id), Cluster: "live", Node: node, Service: name, ServiceID: id, Address: id, Port: 80}
		if moved {
			i.Address = address
		}
		if critical {
			i.Health = Critical
		}
		s.Instances = append(s.Instances, i)
	}
	return s
}

// services makes the Services of an update of such services, written "name: instance…".
func services(lines ...string) map[string]*Service {
	all := map[string]*Service{}
	for _, line := range lines {
		name, list, _ := strings.Cut(line, ":")
		all[name] = service(name, strings.Fields(list)...)
	}
	return all
}

// show writes facts as one line per service, with "?" behind a held instance and "!" behind a critical one.
func show(f *Facts) string {
	var lines []string
	for name, s := range f.Services {
		line := name + ":"
		for _, i := range s.Instances {
			line += " " + i.Node + "/" + i.ServiceID
			if i.Address != i.ServiceID {
				line += "@" + i.Address
			}
			if !i.Present() {
				line += "!"
			}
			if i.Held != "" {
				line += "?"
			}
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// run starts a catalog over scripts and stops it at the end of the test. It must be called in a synctest bubble.
func run(t *testing.T, o CatalogOptions, sources ...*script) *Catalog {
	t.Helper()
	return start(t, newCatalog(o, sources...))
}

func newCatalog(o CatalogOptions, sources ...*script) *Catalog {
	if o.Probe == nil {
		o.Probe = new(ports).probe
	}
	var all []Source
	for _, s := range sources {
		all = append(all, s)
	}
	return NewCatalog("live", all, o)
}

func start(t *testing.T, c *Catalog) *Catalog {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
	synctest.Wait()
	return c
}

func expect(t *testing.T, c *Catalog, want ...string) {
	t.Helper()
	if got := show(c.Facts()); got != strings.Join(want, "\n") {
		t.Errorf("facts are\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}
