package app

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"reflect"

	"github.com/caddyserver/caddy/v2"
)

// adminAddresses returns the addresses of Caddy's admin endpoints: the usual one (of CADDY_ADMIN, or localhost:2019), where another Caddy
// of this machine may listen, and those of the configuration that ctx is for. A member there could change everything.
func adminAddresses(ctx caddy.Context) ([]netip.AddrPort, error) {
	list, err := listening(caddy.DefaultAdminListen)
	if err != nil {
		return nil, fmt.Errorf("the usual admin endpoint: %w", err)
	}
	admin, err := adminConfig(ctx)
	if err != nil {
		return nil, err
	}
	local, remote := field(admin, "Listen"), field(field(admin, "Remote"), "Listen")
	texts := []string{}
	if local.IsValid() && !field(admin, "Disabled").Bool() {
		texts = append(texts, cmp.Or(local.String(), caddy.DefaultAdminListen))
	}
	if remote.IsValid() {
		texts = append(texts, cmp.Or(remote.String(), caddy.DefaultRemoteAdminListen))
	}
	for _, text := range texts {
		resolved, err := caddy.NewReplacer().ReplaceOrErr(text, true, true) // as Caddy reads it
		if err != nil {
			return nil, fmt.Errorf("admin %q: %w", text, err)
		}
		own, err := listening(resolved)
		if err != nil {
			return nil, fmt.Errorf("admin %q: %w", text, err)
		}
		list = append(list, own...)
	}
	return list, nil
}

// adminConfig returns the *caddy.AdminConfig of the configuration that ctx is for. Caddy shows it to nobody, so it is read, and only read,
// from where a context keeps it. A Caddy that keeps it elsewhere is refused rather than served without this guard.
func adminConfig(ctx caddy.Context) (reflect.Value, error) {
	config := reflect.ValueOf(ctx).FieldByName("cfg")
	if !config.IsValid() || config.Type() != reflect.TypeFor[*caddy.Config]() {
		return reflect.Value{}, errors.New("the address of the admin endpoint cannot be found in this version of Caddy: build with the one in go.mod")
	}
	return field(config, "Admin"), nil
}

// field returns a field of what v points to, the zero Value if that is nothing.
func field(v reflect.Value, name string) reflect.Value {
	if !v.IsValid() || v.IsNil() {
		return reflect.Value{}
	}
	return v.Elem().FieldByName(name)
}

// listening returns the addresses at which a listener of Caddy's can be reached. A Unix socket and a host name stand for nothing: members
// are checked by address.
func listening(listen string) ([]netip.AddrPort, error) {
	address, err := caddy.ParseNetworkAddress(listen)
	if err != nil {
		return nil, err
	}
	if address.IsUnixNetwork() || address.IsFdNetwork() {
		return nil, nil
	}
	var list []netip.AddrPort
	for _, each := range address.Expand() {
		own, err := endpoint(each.JoinHostPort(0))
		if err != nil {
			return nil, err
		}
		list = append(list, own...)
	}
	return list, nil
}
