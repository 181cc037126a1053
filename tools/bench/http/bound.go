package main

// bound is the most that a figure of a peer may be in a scenario: beside another peer's in the same round, or by itself.
type bound struct {
	peer, scenario string
	figure         figure
	beside         string
	most           float64
}

// bounds are what Fairlead has to keep.
func bounds() []bound {
	loop := []bound{
		{"fairlead-loop", "keepalive", cpu, "nginx", 0.95},
		{"fairlead-loop", "keepalive", cpu, "haproxy", 0.90},
		{"fairlead-loop", "keepalive", p99, "nginx", 1.00},
		{"fairlead-loop", "rate", cpu, "nginx", 1.00},
		{"fairlead-loop", "rate", p99, "nginx", 1.00},
		{"fairlead-loop", "headers", cpu, "nginx", 1.00},
		{"fairlead-loop", "16k", cpu, "nginx", 0.95},
		{"fairlead-loop", "1m", cpu, "nginx", 0.60},
		{"fairlead-loop", "1m", cpu, "haproxy-splice", 1.00},
		{"fairlead-loop", "tls", cpu, "nginx", 0.85},
		{"fairlead-loop", "handshake", cpu, "nginx", 1.00},
		{"fairlead-loop", "connection", cpu, "nginx", 1.10},
	}
	for _, s := range scenarios() {
		loop = append(loop, bound{"fairlead-loop", s.name, cpu, "caddy", 0.25})
	}
	return append(loop,
		bound{"fairlead-loop", "idle", each, "", 1},
		bound{"fairlead-loop", "idle-tls", each, "", 15},
		bound{"fairlead-portable", "keepalive", cpu, "nginx", 1.15},
		bound{"fairlead-off", "keepalive", cpu, "caddy", 0.50},
	)
}

// value returns what was measured of a bound, or false if that was not.
func (b bound) value(of map[string]samples) (float64, bool) {
	s := of[b.scenario]
	if b.beside != "" {
		return s.ratio(b.peer, b.beside, b.figure)
	}
	return s.median(b.peer, b.figure), len(s[b.peer]) > 0
}
