package registrar

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	realconsul "github.com/fairlead/fairlead/tools/consul"
)

// policy is the one of docs/acl.md.
const policy = `
agent_prefix "" {
  policy = "read"
}
node_prefix "" {
  policy = "read"
}
service_prefix "" {
  policy = "write"
}
`

// grant makes a token with the rules given and returns it and the ID of its policy.
func grant(t *testing.T, a *realconsul.Agent, name, rules string) (secret, accessor, policyID string) {
	t.Helper()
	p, _, err := a.Client().ACL().PolicyCreate(&api.ACLPolicy{Name: name, Rules: rules}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := a.Client().ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLTokenPolicyLink{{ID: p.ID}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return token.SecretID, token.AccessorID, p.ID
}

func regrant(t *testing.T, a *realconsul.Agent, id, name, rules string) {
	t.Helper()
	if _, _, err := a.Client().ACL().PolicyUpdate(&api.ACLPolicy{ID: id, Name: name, Rules: rules}, nil); err != nil {
		t.Fatal(err)
	}
}

// TestRealSmallestRights runs with docs/acl.md's policy, and says what is missing where less is given.
func TestRealSmallestRights(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{ACL: true})
	secret, _, id := grant(t, a, "registrar", policy)
	c := prompt(a)
	c.Token = secret
	r := start(t, c)
	r.source.all(instance("shop", "shop-1", 8001), instance("db", "db-1", 9001))
	r.until(t, "both services", settled(2))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.Drain(ctx, []string{"shop-1"}, "for a test"); err != nil {
		t.Fatal(err)
	}
	if err := r.Undrain(ctx, []string{"shop-1"}); err != nil {
		t.Fatal(err)
	}

	narrow := strings.NewReplacer(`service_prefix ""`, `service_prefix "shop"`, `agent_prefix ""`, `agent "node"`, `node_prefix ""`, `node "node"`)
	regrant(t, a, id, "registrar", narrow.Replace(policy))
	if err := r.Drain(ctx, []string{"shop-1"}, "for a test"); err != nil {
		t.Fatal(err)
	}
	if err := r.Undrain(ctx, []string{"shop-1"}); err != nil {
		t.Fatal(err)
	}
	r.source.all(instance("shop", "shop-1", 8001, withTags("new")), instance("db", "db-1", 9001, withTags("new")))
	r.until(t, "the refusal of one", func(s Status) bool {
		return s.Agent.Up && len(s.Items) == 1 && s.Items[0].ServiceID == "db-1" && s.Items[0].Attempts > 1 &&
			strings.Contains(s.Items[0].Error, `service "db" write`) && strings.Contains(s.Items[0].Error, "docs/acl.md")
	})
	expect(t, a, "shop-1: [new]", "db-1: [] passing")
	r.source.all(instance("shop", "shop-1", 8001))
	regrant(t, a, id, "registrar", policy)
	expect(t, a, "shop-1: []")
	r.until(t, "agreement", settled(1))

	regrant(t, a, id, "registrar", strings.Replace(policy, "agent_prefix", "key_prefix", 1))
	r.until(t, "the refusal of the agent's node", func(s Status) bool { return !s.Agent.Up && strings.Contains(s.Agent.Reason, "agent_prefix") })
	named := c
	named.Owner, named.Node = "other", a.Node
	second := start(t, named)
	second.source.all(instance("web", "web-1", 8001))
	expect(t, a, "shop-1: shop", "web-1: web")
}

// TestRealTokenRotation: what is registered goes on when its token is replaced and then deleted.
func TestRealTokenRotation(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{ACL: true})
	first, accessor, _ := grant(t, a, "first", policy)
	second, _, _ := grant(t, a, "second", policy)
	c := prompt(a)
	c.TokenFile = filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		t.Helper()
		next := c.TokenFile + ".new"
		if err := errors.Join(os.WriteFile(next, []byte(token+"\n"), 0o600), os.Rename(next, c.TokenFile)); err != nil {
			t.Fatal(err)
		}
	}
	write(first)
	r := start(t, c)
	r.source.all(instance("shop", "shop-1", 8001, withMeta("check_ttl", "1h")))
	r.until(t, "the service", settled(1))
	if err := a.SetCheck("service:shop-1", api.HealthPassing); err != nil {
		t.Fatal(err)
	}
	expect(t, a, "shop-1: passing")
	old := r.service(t, a, "shop-1").Meta[metaToken]
	write(second)
	eventually(t, "the new token's mark", func() error {
		if mark := r.service(t, a, "shop-1").Meta[metaToken]; mark == "" || mark == old {
			return fmt.Errorf("it is %q", mark)
		}
		return nil
	})
	if _, err := a.Client().ACL().TokenDelete(accessor, nil); err != nil {
		t.Fatal(err)
	}
	if err := a.SetCheck("service:shop-1", api.HealthWarning); err != nil {
		t.Fatal(err)
	}
	expect(t, a, "shop-1: warning")
	r.until(t, "agreement", settled(1))
}
