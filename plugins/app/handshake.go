package app

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
)

// handshakes ends TLS handshakes for names that are not for the client. The permission of on-demand certificates is not enough: it is
// not asked for one that is in memory.
type handshakes struct{ app *App }

// challengeProtocol is what authorities offer that validate a name by TLS (RFC 8737 §6.2).
const challengeProtocol = "acme-tls/1"

// handshakeEvent is what certmagic tells of every handshake before it looks for a certificate.
const handshakeEvent = "tls_get_certificate"

// Handle implements caddyevents.Handler.
func (h *handshakes) Handle(_ context.Context, event caddy.Event) error {
	hello, err := helloOf(event.Data["client_hello"])
	if err == nil && !hello.challenge {
		err = h.app.edge.HandshakeAllowed(hello.name, hello.client)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", caddy.ErrEventAborted, err)
	}
	return nil
}

// hello is what counts of a client's first message.
type hello struct {
	name   string
	client netip.Addr // zero where it is no address of IP
	// challenge says that it is an authority that validates the name (RFC 8737 §3): it offers that protocol alone, and is shown a
	// certificate made for that and no other.
	challenge bool
}

// helloOf reads the client hello in an event, whose type is certmagic's own.
func helloOf(told any) (hello, error) {
	value := reflect.ValueOf(told)
	if value.Kind() != reflect.Struct {
		return hello{}, fmt.Errorf("a client hello of type %T: this release of certmagic tells of handshakes otherwise", told)
	}
	name, from, protocols := value.FieldByName("ServerName"), value.FieldByName("RemoteAddr"), value.FieldByName("SupportedProtos")
	if name.Kind() != reflect.String || !from.IsValid() || !protocols.IsValid() {
		return hello{}, fmt.Errorf("a client hello of type %T without name, address or protocols: this release of certmagic tells of handshakes otherwise", told)
	}
	h := hello{name: name.String()}
	if offered, ok := protocols.Interface().([]string); ok {
		h.challenge = slices.Equal(offered, []string{challengeProtocol})
	}
	if remote, ok := from.Interface().(net.Addr); ok {
		if address, err := netip.ParseAddrPort(remote.String()); err == nil {
			h.client = address.Addr().Unmap()
		}
	}
	return h, nil
}

var _ caddyevents.Handler = (*handshakes)(nil)
