package registrar

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/discovery/consul"
)

// errUnreachable is in every error that says nothing about a single service: the agent did not answer at all.
var errUnreachable = errors.New("the agent does not answer")

// agent is this host's Consul agent. Safe for concurrent use.
type agent struct {
	api     *api.Client
	timeout time.Duration
}

func newAgent(c Config) (*agent, error) {
	made, err := consul.NewAgent(consul.Config{
		Cluster: c.Owner, Address: c.Address, Token: c.Token, TokenFile: c.TokenFile, TLS: c.TLS, Timeout: c.Timeout,
	})
	if err != nil {
		return nil, fmt.Errorf("registrar: %w", err)
	}
	return &agent{api: made, timeout: c.Timeout}, nil
}

// holdings is what an agent has registered with it.
type holdings struct {
	services map[string]*api.AgentService          // by ID
	checks   map[string]map[string]*api.AgentCheck // by service ID and check ID
	// filtered says that the token may not see everything: what is missing may be there.
	filtered bool
}

// maintenance returns the reason why a service is in maintenance, and whether it is.
func (h *holdings) maintenance(id string) (reason string, on bool) {
	check := h.checks[id][maintenanceCheck(id)]
	if check == nil {
		return "", false
	}
	return check.Notes, true
}

// node returns the name of the agent's node, or nothing where no check tells it.
func (h *holdings) node() string {
	for _, checks := range h.checks {
		for _, check := range checks {
			return check.Node
		}
	}
	return ""
}

// maintenanceCheck is the ID of the check by which Consul keeps a service in maintenance.
func maintenanceCheck(id string) string { return "_service_maintenance:" + id }

// read returns everything that the agent has and the token may see.
func (a *agent) read(ctx context.Context) (*holdings, error) {
	h := &holdings{services: map[string]*api.AgentService{}, checks: map[string]map[string]*api.AgentCheck{}}
	filtered, err := a.get(ctx, "/v1/agent/services", &h.services)
	if err != nil {
		return nil, fmt.Errorf("reading the agent's services: %w", explain(err, `service_prefix "" read`))
	}
	checks := map[string]*api.AgentCheck{}
	hidden, err := a.get(ctx, "/v1/agent/checks", &checks)
	if err != nil {
		return nil, fmt.Errorf("reading the agent's checks: %w", explain(err, `service_prefix "" read`))
	}
	h.filtered = filtered || hidden
	for id, check := range checks {
		if h.checks[check.ServiceID] == nil {
			h.checks[check.ServiceID] = map[string]*api.AgentCheck{}
		}
		h.checks[check.ServiceID][id] = check
	}
	return h, nil
}

// self is who an agent is.
type self struct {
	Config struct{ NodeName, NodeID string }
	Member struct{ Addr string }
}

// self asks the agent who it is. That takes agent:read: known is false where the token does not have it.
func (a *agent) self(ctx context.Context) (who self, known bool, err error) {
	_, err = a.get(ctx, "/v1/agent/self", &who)
	switch {
	case hasCode(err, http.StatusForbidden):
		return self{}, false, nil
	case err != nil:
		return self{}, false, fmt.Errorf("asking the agent who it is: %w", explain(err, ""))
	}
	return who, true, nil
}

// tokenMark returns a mark of the ACL token in use, or nothing where there is none or it cannot be told at the moment. It is made of
// the token's public name, and cannot be used for anything else.
func (a *agent) tokenMark(ctx context.Context) string {
	var token struct{ AccessorID string }
	if _, err := a.get(ctx, "/v1/acl/token/self", &token); err != nil || token.AccessorID == "" || token.AccessorID == anonymousToken {
		return ""
	}
	return digest(token.AccessorID)
}

// anonymousToken is the accessor ID of Consul's token for requests without one.
const anonymousToken = "00000000-0000-0000-0000-000000000002"

// leader reports whether the agent knows a leader at the moment.
func (a *agent) leader(ctx context.Context) bool {
	var address string
	_, err := a.get(ctx, "/v1/status/leader", &address)
	return err == nil && address != ""
}

// inCatalog reports whether the servers have the maintenance of a service on a node, as the leader says.
func (a *agent) inCatalog(ctx context.Context, node, name, id string) (bool, error) {
	var found bool
	err := a.limit(ctx, func(ctx context.Context) error {
		checks, _, err := a.api.Health().Checks(name, (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx))
		for _, check := range checks {
			found = found || check.Node == node && check.CheckID == maintenanceCheck(id)
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("asking the servers for the checks of %s: %w", name, explain(err, fmt.Sprintf("service %q read and node %q read", name, node)))
	}
	return found, nil
}

// register registers a service, or changes it. replace removes the checks it has besides those of r, its maintenance too.
func (a *agent) register(ctx context.Context, r *api.AgentServiceRegistration, replace bool) error {
	return a.write(ctx, "registering", r.Name, r.ID, func(ctx context.Context) error {
		return a.api.Agent().ServiceRegisterOpts(r, api.ServiceRegisterOpts{ReplaceExistingChecks: replace}.WithContext(ctx))
	})
}

// deregister removes a service; one that is not there is removed.
func (a *agent) deregister(ctx context.Context, name, id string) error {
	return a.write(ctx, "deregistering", name, id, func(ctx context.Context) error {
		err := a.api.Agent().ServiceDeregisterOpts(id, (&api.QueryOptions{}).WithContext(ctx))
		if hasCode(err, http.StatusNotFound) {
			return nil
		}
		return err
	})
}

// removeCheck removes one check of a service; one that is not there is removed.
func (a *agent) removeCheck(ctx context.Context, name, id, check string) error {
	return a.write(ctx, "removing check "+check+" of", name, id, func(ctx context.Context) error {
		err := a.api.Agent().CheckDeregisterOpts(check, (&api.QueryOptions{}).WithContext(ctx))
		if hasCode(err, http.StatusNotFound) {
			return nil
		}
		return err
	})
}

// maintain puts a service in maintenance; one that already is keeps its reason.
func (a *agent) maintain(ctx context.Context, name, id, reason string) error {
	return a.write(ctx, "setting the maintenance of", name, id, func(ctx context.Context) error {
		return a.api.Agent().EnableServiceMaintenanceOpts(id, reason, (&api.QueryOptions{}).WithContext(ctx))
	})
}

// resume takes a service out of maintenance.
func (a *agent) resume(ctx context.Context, name, id string) error {
	return a.write(ctx, "ending the maintenance of", name, id, func(ctx context.Context) error {
		return a.api.Agent().DisableServiceMaintenanceOpts(id, (&api.QueryOptions{}).WithContext(ctx))
	})
}

func (a *agent) write(ctx context.Context, what, name, id string, do func(context.Context) error) error {
	if err := a.limit(ctx, do); err != nil {
		return fmt.Errorf("%s %s (%s): %w", what, name, id, explain(err, fmt.Sprintf("service %q write", name)))
	}
	return nil
}

func (a *agent) get(ctx context.Context, path string, out any) (filtered bool, err error) {
	err = a.limit(ctx, func(ctx context.Context) error {
		meta, err := a.api.Raw().Query(path, out, (&api.QueryOptions{}).WithContext(ctx))
		if err == nil {
			filtered = meta.ResultsFilteredByACLs
		}
		return err
	})
	return filtered, err
}

func (a *agent) limit(ctx context.Context, do func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	err := do(limited)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return fmt.Errorf("no answer within %s: %w", a.timeout, errUnreachable)
	}
	return err
}

// explain says what to do about a refusal; right is what the ACL token must have.
func explain(err error, right string) error {
	var refused api.StatusError
	if errors.As(err, &refused) {
		body := strings.TrimSpace(refused.Body)
		body = body[:min(len(body), 300)]
		if refused.Code == http.StatusForbidden {
			return fmt.Errorf("Consul refuses the ACL token (403), it needs %s, see docs/acl.md: %s", right, body)
		}
		return fmt.Errorf("Consul answers %d: %s", refused.Code, body)
	}
	var failed *url.Error
	switch {
	case errors.Is(err, errUnreachable):
		return err
	case errors.As(err, &failed):
		err = failed.Err
	}
	return fmt.Errorf("%w: %w", errUnreachable, err)
}

func hasCode(err error, code int) bool {
	var refused api.StatusError
	return errors.As(err, &refused) && refused.Code == code
}
