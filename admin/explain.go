package admin

import (
	"net/http"
	"net/netip"

	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/proxy/route"
)

// explain tells what a client's request for a host would meet. The client is the caller where none is named.
func (a *api) explain(_ *pool.Snapshot, r *http.Request) (any, error) {
	chain := []string{"forwarded", "x_forwarded_for"} // they stand for headers which may come in several lines
	values, err := queryRepeated(r, chain, "host", "client", "path", "forwarded", "x_forwarded_for")
	if err != nil {
		return nil, err
	}
	ask := route.Ask{
		Host: values.Get("host"), Path: values.Get("path"),
		Forwarded: values["forwarded"], XForwardedFor: values["x_forwarded_for"],
	}
	if ask.Host == "" {
		return nil, badInput("add ?host=shop.example.com, and &client=ADDRESS for another client than you", "no host is named")
	}
	if client := values.Get("client"); client != "" {
		if ask.Peer, err = netip.ParseAddr(client); err != nil {
			return nil, badInput("write client=192.0.2.1 or client=2001:db8::1, without a port", "client %q is no IP address", client)
		}
	} else if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		ask.Peer = peer.Addr()
	}
	return a.edge.Explain(ask), nil
}
