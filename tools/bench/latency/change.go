package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/tools/lab"
)

// change is what is done to a domain: its registration or its deregistration at the agent.
type change struct {
	call    func(s *stage, domain string) error
	serves  bool // the domain gets 200 after it
	answers int  // that must show it in a row
}

var (
	come = change{call: (*stage).register, serves: true, answers: 1}
	gone = change{call: (*stage).deregister, serves: false, answers: 3} // the last hit is known by what follows it
)

// register registers one instance of the domain, with a check of its own that passes.
func (s *stage) register(domain string) error {
	err := s.client.Agent().ServiceRegister(&api.AgentServiceRegistration{
		ID: domain, Name: domain, Address: "127.0.0.1", Port: s.backend.Port,
		Check: &api.AgentServiceCheck{TTL: "1h", Status: api.HealthPassing},
	})
	if err != nil {
		return fmt.Errorf("registering %s: %w", domain, err)
	}
	return nil
}

func (s *stage) deregister(domain string) error {
	if err := s.client.Agent().ServiceDeregister(domain); err != nil {
		return fmt.Errorf("deregistering %s: %w", domain, err)
	}
	return nil
}

// begin makes the call.
func (w *watch) begin(s *stage, what change) error {
	w.began = time.Now()
	err := what.call(s, w.domain)
	w.returned = time.Now()
	return err
}

// inTurn changes one domain after another, the next when the last is seen.
func (s *stage) inTurn(ctx context.Context, what change, domains []string) ([]timing, error) {
	c := &lab.Client{Addr: s.addr}
	defer c.Close()
	out := make([]timing, 0, len(domains))
	for _, domain := range domains {
		w := &watch{domain: domain}
		if err := w.begin(s, what); err != nil {
			return nil, err
		}
		for !w.ask(s, c, what) {
			if err := w.overdue(ctx); err != nil {
				return nil, err
			}
			time.Sleep(*pause)
		}
		out = append(out, w.timing())
	}
	return out, nil
}

// Two clients that each ask for four domains between two pauses ask for all 500 in about 100 ms, and use little of the processors.
const (
	pollers  = 2
	perPause = 4
)

// atOnce changes all domains as fast as the registrars can, and has the domains asked for in turn that have not changed yet.
func (s *stage) atOnce(ctx context.Context, what change, domains []string) ([]timing, error) {
	todo, waiting := make(chan string, len(domains)), make(chan *watch, len(domains))
	for _, domain := range domains {
		todo <- domain
	}
	close(todo)
	group, ctx := errgroup.WithContext(ctx)
	for range *registrars {
		group.Go(func() error {
			for domain := range todo {
				w := &watch{domain: domain}
				if err := w.begin(s, what); err != nil {
					return err
				}
				waiting <- w
			}
			return nil
		})
	}
	changed := make(chan timing, len(domains))
	var left atomic.Int64
	left.Store(int64(len(domains)))
	for range pollers {
		group.Go(func() error { return s.poll(ctx, what, waiting, changed, &left) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	close(changed)
	out := make([]timing, 0, len(domains))
	for t := range changed {
		out = append(out, t)
	}
	return out, nil
}

// poll asks for the domains of waiting in turn, each until it has changed, until none is left.
func (s *stage) poll(ctx context.Context, what change, waiting chan *watch, changed chan<- timing, left *atomic.Int64) error {
	c := &lab.Client{Addr: s.addr}
	defer c.Close()
	for asked := 0; left.Load() > 0; asked++ {
		if asked%perPause == 0 {
			time.Sleep(*pause)
		}
		select {
		case w := <-waiting:
			if w.ask(s, c, what) {
				changed <- w.timing()
				left.Add(-1)
				continue
			}
			if err := w.overdue(ctx); err != nil {
				return err
			}
			waiting <- w
		default:
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}

// verify asks for all domains once more and counts those whose change was taken back.
func (s *stage) verify(what change, domains []string) int {
	c := &lab.Client{Addr: s.addr}
	defer c.Close()
	wrong := 0
	for _, domain := range domains {
		w := &watch{domain: domain}
		w.ask(s, c, what)
		if w.seen == 0 {
			wrong++
		}
	}
	return wrong
}
