package forward

import "github.com/fairlead/fairlead/proxy/dispatch"

var _ dispatch.Request = (*exchange)(nil)

// Header implements dispatch.Request.
func (x *exchange) Header(name string) string { return x.r.Header.Get(name) }

// Cookies implements dispatch.Request.
func (x *exchange) Cookies() []string { return x.r.Header["Cookie"] }

// Path implements dispatch.Request.
func (x *exchange) Path() string { return x.r.URL.Path }
