package app

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/fairlead/fairlead/proxy/route"
)

// The engines. LaneBest is the best that the machine allows.
const (
	LaneBest     = ""
	LaneLoop     = "loop"
	LanePortable = "portable"
	LaneOff      = "off"
)

// LaneSpec is what a configuration says of the lane. Zero limits stand for none, or for the lane's own.
type LaneSpec struct {
	Engine                                            string
	MaxConnections, MaxConnectionsPerClient, BodyRate int
	BodyGrace                                         time.Duration
}

func (c *Config) addLane(s *spec) error {
	if c.Lane == nil {
		return nil
	}
	if err := c.Lane.check(); err != nil {
		return fmt.Errorf("lane: %w", err)
	}
	s.lane = LaneSpec{
		Engine: c.Lane.Engine, MaxConnections: c.Lane.MaxConnections, MaxConnectionsPerClient: c.Lane.MaxConnectionsPerClient,
		BodyRate: c.Lane.BodyRate, BodyGrace: time.Duration(c.Lane.BodyGrace),
	}
	if s.lane.BodyGrace < 0 {
		s.lane.BodyGrace = time.Nanosecond // none; zero would be the default
	}
	return nil
}

func (l *Lane) check() error {
	switch l.Engine {
	case LaneBest, LaneLoop, LanePortable, LaneOff:
	default:
		return fmt.Errorf("engine %q: want loop, portable or off", l.Engine)
	}
	for name, value := range map[string]int{
		"max_connections": l.MaxConnections, "max_connections_per_client": l.MaxConnectionsPerClient, "body_rate": l.BodyRate,
	} {
		if value < 0 {
			return fmt.Errorf("%s %d: want a number above zero", name, value)
		}
	}
	return nil
}

func (a *App) unmarshalLane(d *caddyfile.Dispenser) error {
	if a.Lane != nil {
		return d.Err("lane is given twice: write one line or block")
	}
	a.Lane = new(Lane)
	if d.NextArg() {
		a.Lane.Engine = d.Val()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	err := block(d, "lane", map[string]func() error{
		"max_connections":            func() error { return number(d, &a.Lane.MaxConnections) },
		"max_connections_per_client": func() error { return number(d, &a.Lane.MaxConnectionsPerClient) },
		"body_rate":                  func() error { return number(d, &a.Lane.BodyRate) },
		"body_grace":                 func() error { return duration(d, &a.Lane.BodyGrace) },
	})
	if err != nil {
		return err
	}
	if err := a.Lane.check(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// LaneSpec returns what the configuration says of the lane. It is there before the handlers are provisioned.
func (a *App) LaneSpec() LaneSpec { return a.spec.lane }

// ExplainLane adds a server to those that explain tells of.
func (a *App) ExplainLane(f func(host string) []route.ExplainedLane) {
	a.lanes.Lock()
	defer a.lanes.Unlock()
	a.lanes.all = append(a.lanes.all, f)
}

func (a *App) explainLane(host string) (all []route.ExplainedLane) {
	a.lanes.Lock()
	defer a.lanes.Unlock()
	for _, f := range a.lanes.all {
		all = append(all, f(host)...)
	}
	return all
}

// HTTPMetrics returns how Caddy is told to count HTTP requests, nil for not at all. It is complete when servers start.
func (a *App) HTTPMetrics() *caddyhttp.Metrics { return a.servers.http.Metrics }

// HTTPPort returns the port at which Caddy speaks no TLS.
func (a *App) HTTPPort() int {
	if a.servers.http.HTTPPort == 0 {
		return caddyhttp.DefaultHTTPPort
	}
	return a.servers.http.HTTPPort
}
