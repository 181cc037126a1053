package dispatch

import (
	"strings"

	"github.com/fairlead/fairlead/proxy/balance"
	"github.com/fairlead/fairlead/proxy/pool"
)

// Request is what the choice of a member may depend on. It is asked only where the pool's settings want to know.
type Request interface {
	// Header returns the first value of a field, empty if there is none; name is in any case.
	Header(name string) string
	// Cookies returns the values of all Cookie fields.
	Cookies() []string
	// Path returns the path with its escapes decoded.
	Path() string
}

// cookie returns the value of the first cookie of that name.
func cookie(lines []string, name string) string {
	for _, line := range lines {
		for more := true; more; {
			var pair string
			pair, line, more = strings.Cut(line, ";")
			if key, value, ok := strings.Cut(strings.TrimLeft(pair, " \t"), "="); ok && key == name {
				return strings.Trim(value, `" `)
			}
		}
	}
	return ""
}

// bound returns the member that the request's cookie binds the client to, if the pool is sticky and the member still serves such.
func (j *Job) bound() *pool.Member {
	if j.Pool.Spec.Sticky == "" {
		return nil
	}
	return balance.Find(j.Pool, cookie(j.request.Cookies(), j.Pool.Spec.Sticky))
}

// Binding returns the Set-Cookie value that binds the client to the member of the present attempt; empty if it is bound to it already,
// or the pool is not sticky. secure says that the client came by TLS, be it to a proxy before us.
func (j *Job) Binding(secure bool) string {
	name := j.Pool.Spec.Sticky
	if name == "" || j.bound() == j.Member {
		return ""
	}
	value := name + "=" + balance.Token(j.Member.ID()) + "; Path=/; HttpOnly; SameSite=Lax"
	if secure {
		value += "; Secure"
	}
	return value
}

// hashKey is what the policy hash looks at, as a number; 0 for the other policies.
func (j *Job) hashKey() uint64 {
	spec := j.Pool.Spec
	if spec.Policy != "hash" {
		return 0
	}
	kind, name, _ := strings.Cut(spec.HashOn, " ")
	switch kind {
	case "host":
		return balance.HashString(j.Decision.Domain)
	case "path":
		return balance.HashString(j.request.Path())
	case "header":
		if value := j.request.Header(name); value != "" {
			return balance.HashString(value)
		}
	case "cookie":
		if value := cookie(j.request.Cookies(), name); value != "" {
			return balance.HashString(value)
		}
	}
	address := j.Decision.Client.As16()
	return balance.HashString(string(address[:]))
}
