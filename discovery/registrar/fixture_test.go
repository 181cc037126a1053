package registrar

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	realconsul "github.com/fairlead/fairlead/tools/consul"
)

// patience bounds every wait for something that must happen, on a busy machine.
const patience = time.Minute

// script is a source that reports what a test tells it to.
type script struct {
	reports chan discovery.Update
	end     chan error
}

func newScript() *script { return &script{reports: make(chan discovery.Update), end: make(chan error)} }

func (s *script) Name() string { return "script" }

func (s *script) Run(ctx context.Context, _ map[string]*discovery.Service, report func(discovery.Update)) error {
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

var _ discovery.Source = (*script)(nil)

// all reports the complete set of what there is.
func (s *script) all(instances ...discovery.Instance) {
	s.reports <- discovery.Update{Services: grouped(instances), Complete: true, Status: discovery.SourceStatus{Ready: true}}
}

// doubt reports the complete set in doubt.
func (s *script) doubt(reason string, instances ...discovery.Instance) {
	u := discovery.Update{Status: discovery.SourceStatus{Ready: true, Doubts: []discovery.Doubt{{Kind: discovery.SourceDoubt, Reason: reason}}}}
	u.Services, u.Complete = grouped(instances), true
	s.reports <- u
}

func grouped(instances []discovery.Instance) map[string]*discovery.Service {
	services := map[string]*discovery.Service{}
	for _, i := range instances {
		if services[i.Service] == nil {
			services[i.Service] = &discovery.Service{Name: i.Service}
		}
		services[i.Service].Instances = append(services[i.Service].Instances, i)
	}
	return services
}

// instance makes a copy of a service at 127.0.0.1, changed by the functions given.
func instance(name, id string, port uint16, change ...func(*discovery.Instance)) discovery.Instance {
	i := discovery.Instance{
		ID: discovery.InstanceID("live", "host", id), Cluster: "live", Node: "host", Service: name, ServiceID: id,
		Address: "127.0.0.1", Port: port, Meta: map[string]string{"container": "c-" + id},
	}
	for _, c := range change {
		c(&i)
	}
	return i
}

func withMeta(pairs ...string) func(*discovery.Instance) {
	return func(i *discovery.Instance) {
		for n := 0; n < len(pairs); n += 2 {
			i.Meta[pairs[n]] = pairs[n+1]
		}
	}
}

func withTags(tags ...string) func(*discovery.Instance) {
	return func(i *discovery.Instance) { i.Tags = tags }
}

func withHealth(h discovery.Health, note string) func(*discovery.Instance) {
	return func(i *discovery.Instance) { i.Health, i.HealthNote = h, note }
}

// prompt is a configuration for an agent with small timers.
func prompt(a *realconsul.Agent) Config {
	return Config{
		Address: a.HTTP, Owner: "test", Resync: 300 * time.Millisecond, Probation: 500 * time.Millisecond,
		RetryMin: 50 * time.Millisecond, RetryMax: 300 * time.Millisecond, Confirm: 10 * time.Millisecond, Timeout: 5 * time.Second,
	}
}

// testLog writes to a test's log for as long as it runs.
func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// runner is a registrar that runs until it is stopped or its test ends.
type runner struct {
	*Registrar
	source *script
	stop   func()
}

func start(t *testing.T, c Config) *runner {
	t.Helper()
	if c.Logger == nil {
		c.Logger = testLog(t)
	}
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	source := newScript()
	go func() { done <- r.Run(ctx, source) }()
	run := &runner{Registrar: r, source: source}
	stopped := false
	run.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	}
	t.Cleanup(run.stop)
	return run
}

// until waits for the status to be as it must become.
func (r *runner) until(t *testing.T, what string, is func(Status) bool) {
	t.Helper()
	eventually(t, what, func() error {
		if s := r.Status(); !is(s) {
			return fmt.Errorf("status is %+v", s)
		}
		return nil
	})
}

// settled says that all of so many services are in the agent as they ought to be, and nothing else is to be done.
func settled(count int) func(Status) bool {
	return func(s Status) bool {
		return s.Healthy() && s.Counts.Desired == count && s.Counts.Agreeing == count && s.Counts.Pending == 0
	}
}

func eventually(t *testing.T, what string, is func() error) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		err := is()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waiting for %s: %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// entries writes what the catalog has of the services of our tests, one line each: name id address:port [tags] health.
func entries(a *realconsul.Agent) (map[string]string, error) {
	names, _, err := a.Client().Catalog().Services(nil)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for name := range names {
		if name == "consul" {
			continue
		}
		found, _, err := a.Client().Health().Service(name, "", false, nil)
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			all[e.Service.ID] = fmt.Sprintf("%s %s:%d %v %s", name, e.Service.Address, e.Service.Port, e.Service.Tags, e.Checks.AggregatedStatus())
		}
	}
	return all, nil
}

// expect waits for the catalog to have exactly these services, written "id: line of entries"; a line may be cut short.
func expect(t *testing.T, a *realconsul.Agent, want ...string) {
	t.Helper()
	eventually(t, "the catalog to have "+strings.Join(want, "; "), func() error {
		all, err := entries(a)
		if err != nil {
			return err
		}
		if len(all) != len(want) {
			return fmt.Errorf("it has %q", all)
		}
		for _, w := range want {
			id, line, _ := strings.Cut(w, ": ")
			if all[id] == "" || !strings.Contains(all[id], line) {
				return fmt.Errorf("it has %q", all)
			}
		}
		return nil
	})
}

// indexes are Consul's versions of what watchers see.
func indexes(t *testing.T, a *realconsul.Agent) map[string]uint64 {
	t.Helper()
	all, err := a.Indexes()
	if err != nil {
		t.Fatal(err)
	}
	return all
}
