package proxy

import (
	"github.com/fairlead/fairlead/proxy/balance"
	"github.com/fairlead/fairlead/proxy/route"
)

// Explain tells what a client's question would meet, and which member would be chosen for it now. A cookie that binds the client to
// a member is not known here. Under round robin the question takes a turn, like any other.
func (e *Edge) Explain(ask route.Ask) route.Explanation {
	s := e.table.Load()
	explanation := route.Explain(s, ask)
	if e.lane != nil {
		explanation.Lane = e.lane(ask.Host)
	}
	if d := route.Decide(s, ask); d.Code == route.OK {
		if m := balance.Choose(d.Pool, hashKey(&d, ask.Path), nil); m != nil {
			explanation.Chosen = m.ID()
		}
	}
	return explanation
}

// hashKey is what the policy hash looks at for a request that has neither the header nor the cookie it may want: the client's
// address stands in for these, as it does when a request is served.
func hashKey(d *route.Decision, path string) uint64 {
	if d.Pool.Spec.Policy != "hash" {
		return 0
	}
	switch d.Pool.Spec.HashOn {
	case "host":
		return balance.HashString(d.Domain)
	case "path":
		return balance.HashString(path)
	}
	address := d.Client.As16()
	return balance.HashString(string(address[:]))
}
