package dispatch_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/fairlead/fairlead/proxy/balance"
	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/proxy/route"
)

func TestBinding(t *testing.T) {
	d := newDesk(pool.Settings{"sticky": "srv"}, 10, 10, 10)
	m := d.pool().Members[1]
	token := balance.Token(m.ID())
	for _, cookies := range [][]string{
		{"srv=" + token},
		{"a=1; srv=" + token + "; b=2"},
		{"a=1;srv=" + token},
		{"a=1; \tsrv=\"" + token + "\" ; b"},
		{"a=1", "srv=" + token},
		{"srv=" + token + "; srv=0123456789abcdef"},
	} {
		j := d.enter(t, &request{cookies: cookies})
		if cookie := j.Binding(true); j.Member != m || cookie != "" {
			t.Errorf("%q led to %s, which sets %q", cookies, j.Member.ID(), cookie)
		}
		j.End()
	}
	for _, cookies := range [][]string{
		nil, {""}, {";;="}, {"srv"}, {"xsrv=" + token}, {"SRV=" + token}, {"srv =" + token}, {"srv=" + token[1:]},
		{"srv=0123456789abcdef; srv=" + token},
	} {
		for secure, end := range map[bool]string{false: "", true: "; Secure"} {
			j := d.enter(t, &request{cookies: cookies})
			want := "srv=" + balance.Token(j.Member.ID()) + "; Path=/; HttpOnly; SameSite=Lax" + end
			if cookie := j.Binding(secure); cookie != want {
				t.Errorf("%q: set %q, want %q", cookies, cookie, want)
			}
			j.End()
		}
	}
	if cookie := newDesk(nil, 10).enter(t, plain).Binding(true); cookie != "" {
		t.Errorf("a pool that is not sticky sets %q", cookie)
	}
}

// A retry leads a bound client elsewhere, and binds it there.
func TestBindingMovesOn(t *testing.T) {
	d := newDesk(pool.Settings{"sticky": "srv"}, 10, 10)
	j := d.enter(t, &request{cookies: []string{"srv=" + balance.Token(d.pool().Members[0].ID())}})
	if !j.Retry(broken) {
		t.Fatal("no retry")
	}
	if cookie := j.Binding(false); cookie == "" || j.Member != d.pool().Members[1] {
		t.Errorf("%s sets %q", j.Member.ID(), cookie)
	}
}

// Equal keys lead to one member, and different ones to several.
func TestHashKeys(t *testing.T) {
	for on, ask := range map[string]func(key string) (request, route.Ask){
		"header X-Key": func(key string) (request, route.Ask) {
			return request{header: map[string]string{"X-Key": key}}, asked
		},
		"cookie key": func(key string) (request, route.Ask) {
			return request{cookies: []string{"other=1; key=" + key}}, asked
		},
		"path": func(key string) (request, route.Ask) { return request{path: "/" + key}, asked },
		"client_ip": func(key string) (request, route.Ask) {
			return request{}, route.Ask{Host: domain, Peer: netip.MustParseAddr("192.0.2." + key)}
		},
		// What carries no key of its own is told apart by the client's address.
		"header X-None": func(key string) (request, route.Ask) {
			return request{}, route.Ask{Host: domain, Peer: netip.MustParseAddr("192.0.2." + key)}
		},
	} {
		t.Run(on, func(t *testing.T) {
			d := newDesk(pool.Settings{"policy": "hash", "hash_on": on}, 10, 10, 10, 10)
			used := map[*pool.Member]bool{}
			for key := range 20 {
				chosen := map[*pool.Member]bool{}
				for range 3 {
					r, a := ask(fmt.Sprint(key))
					var j dispatch.Job
					j.Begin(&d.Desk, &r, a)
					if entered, refusal := j.Enter(); !entered {
						t.Fatal(refusal)
					}
					chosen[j.Member], used[j.Member] = true, true
					j.End()
				}
				if len(chosen) != 1 {
					t.Errorf("key %d led to %d members", key, len(chosen))
				}
			}
			if len(used) < 2 {
				t.Error("all keys led to one member")
			}
		})
	}
}
