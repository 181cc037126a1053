// Package adminapi puts Fairlead's API under Caddy's admin endpoint, as the module "admin.api.fairlead".
package adminapi

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/fairlead/fairlead/plugins/app"
)

func init() { caddy.RegisterModule(new(Router)) }

// Router hands requests to the API of the running configuration. It is made before the apps of its own configuration, so it looks for
// the app when it is asked.
type Router struct{}

// CaddyModule implements caddy.Module.
func (*Router) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.fairlead", New: func() caddy.Module { return new(Router) }}
}

// Routes implements caddy.AdminRouter.
func (*Router) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/fairlead/", Handler: caddy.AdminHandlerFunc(serve)}}
}

func serve(w http.ResponseWriter, r *http.Request) error {
	current := app.Current()
	if current == nil {
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: errors.New("no configuration with fairlead is running")}
	}
	current.API().ServeHTTP(w, r)
	return nil
}

var _ caddy.AdminRouter = (*Router)(nil)
