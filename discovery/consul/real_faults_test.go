package consul

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/discovery"
	realconsul "github.com/fairlead/fairlead/tools/consul"
)

// prompt is a configuration for real agents that notices within seconds what takes minutes by default.
func prompt(address string) Config {
	return Config{Address: address, Canary: time.Second, Margin: 500 * time.Millisecond, Timeout: time.Second, BackoffMin: 50 * time.Millisecond, BackoffMax: 500 * time.Millisecond}
}

func register(t *testing.T, a *realconsul.Agent, name string) {
	t.Helper()
	if err := a.Register(&api.AgentServiceRegistration{Name: name, Address: "192.0.2.7", Port: 8080}); err != nil {
		t.Fatal(err)
	}
}

func has(name string) func(*observer) bool {
	return func(o *observer) bool { return o.instance(name) != nil }
}

func hasWell(name string) func(*observer) bool {
	return func(o *observer) bool { return o.instance(name) != nil && len(o.status.Doubts) == 0 }
}

func doubtful(o *observer) bool { return o.doubts(discovery.SourceDoubt, "", "") }

func TestRealAgentStoppedAndStartedAgain(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{Persistent: true})
	register(t, a, "shop")
	o := observe(t, prompt(a.HTTP), nil)
	o.until(t, "the service", has("shop"))
	a.Stop()
	o.until(t, "doubt, and the facts", func(o *observer) bool { return doubtful(o) && has("shop")(o) })
	if err := a.Restart(); err != nil {
		t.Fatal(err)
	}
	o.until(t, "the end of the doubt", hasWell("shop"))
	register(t, a, "late")
	o.until(t, "a new service", hasWell("late"))
}

func TestRealConsulBuiltAnew(t *testing.T) {
	for way, watches := range ways {
		t.Run(way, func(t *testing.T) {
			a := realconsul.Start(t, realconsul.Options{})
			fill(t, a)
			register(t, a, "shop")
			// The index of the one to come must be the lower one.
			for i := range 60 {
				if _, err := a.Client().KV().Put(&api.KVPair{Key: fmt.Sprint("k", i)}, nil); err != nil {
					t.Fatal(err)
				}
			}
			register(t, a, "shop-too")
			c := prompt(a.HTTP)
			c.MaxWatches = watches
			o := observe(t, c, nil)
			o.until(t, "the service", has("shop"))
			a.Kill()
			o.until(t, "doubt, and the facts", func(o *observer) bool { return doubtful(o) && has("shop")(o) })
			if err := a.Restart(); err != nil {
				t.Fatal(err)
			}
			o.until(t, "the empty catalog to be believed, for the catalog's rule of masses to judge", func(o *observer) bool {
				return len(o.services) == 0 && len(o.status.Doubts) == 0
			})
			register(t, a, "shop")
			o.until(t, "the service again", hasWell("shop"))
		})
	}
}

func TestRealBlackHole(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{})
	register(t, a, "shop")
	o := observe(t, prompt(a.HTTP), nil)
	o.until(t, "the service", has("shop"))
	if err := a.Pause(); err != nil {
		t.Fatal(err)
	}
	o.until(t, "doubt, and the facts", func(o *observer) bool {
		return o.doubts(discovery.SourceDoubt, "", "no answer within") && has("shop")(o)
	})
	if err := a.Resume(); err != nil {
		t.Fatal(err)
	}
	o.until(t, "the end of the doubt", hasWell("shop"))
}

func TestRealLeaderKilled(t *testing.T) {
	agents := realconsul.StartCluster(t, 3, realconsul.Options{})
	leader, ours, third := realconsul.Roles(t, agents)
	register(t, ours, "shop")
	o := observe(t, prompt(ours.HTTP), nil)
	o.until(t, "the service", hasWell("shop"))
	leader.Kill()
	o.until(t, "doubt, and the facts", func(o *observer) bool { return doubtful(o) && has("shop")(o) })
	o.until(t, "the new leader", hasWell("shop"))
	register(t, third, "late")
	o.until(t, "a new service", hasWell("late"))
}

// policies of docs/acl.md; the page is checked to have them.
const (
	discoveryPolicy = `node_prefix "" {
  policy = "read"
}
service_prefix "" {
  policy = "read"
}
`
	statePolicy = `key_prefix "fairlead/" {
  policy = "write"
}
`
)

// grant makes a token with the policies, and returns its accessor and its secret.
func grant(t *testing.T, a *realconsul.Agent, name string, rules ...string) (accessor, secret string) {
	t.Helper()
	acl := a.Client().ACL()
	token := &api.ACLToken{Description: name}
	for i, rule := range rules {
		p, _, err := acl.PolicyCreate(&api.ACLPolicy{Name: fmt.Sprintf("%s-%d", name, i), Rules: rule}, nil)
		if err != nil {
			t.Fatal(err)
		}
		token.Policies = append(token.Policies, &api.ACLTokenPolicyLink{ID: p.ID})
	}
	made, _, err := acl.TokenCreate(token, nil)
	if err != nil {
		t.Fatal(err)
	}
	return made.AccessorID, made.SecretID
}

func TestRealRights(t *testing.T) {
	page, err := os.ReadFile("../../docs/acl.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range []string{discoveryPolicy, statePolicy} {
		if !strings.Contains(string(page), rule) {
			t.Errorf("docs/acl.md does not have the tested policy\n%s", rule)
		}
	}
	for way, watches := range ways {
		t.Run(way, func(t *testing.T) { rights(t, watches) })
	}
}

func rights(t *testing.T, watches int) {
	a := realconsul.Start(t, realconsul.Options{ACL: true})
	fill(t, a)
	register(t, a, "shop")
	firstAccessor, first := grant(t, a, "first", discoveryPolicy)
	_, second := grant(t, a, "second", discoveryPolicy)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(first+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := prompt(a.HTTP)
	c.TokenFile, c.MaxWatches, c.Wait, c.Sweep = file, watches, time.Second, 3*time.Second
	o := observe(t, c, nil)
	o.until(t, "everything, without doubt", func(o *observer) bool { return o.complete && hasWell("shop")(o) && len(o.services) == 9 })

	if _, err := a.Client().ACL().TokenDelete(firstAccessor, nil); err != nil {
		t.Fatal(err)
	}
	o.until(t, "doubt, and the facts", func(o *observer) bool { return doubtful(o) && has("shop")(o) && len(o.services) == 9 })
	if err := os.WriteFile(file, []byte(second+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.until(t, "the end of the doubt with the file's new token", func(o *observer) bool { return hasWell("shop")(o) && len(o.services) == 9 })

	// A token that keeps its name and loses its rights is worse than a deleted one: its answers are 200, and empty.
	policy, _, err := a.Client().ACL().PolicyReadByName("second-0", nil)
	if err != nil {
		t.Fatal(err)
	}
	policy.Rules = `node_prefix "" { policy = "read" }`
	if _, _, err := a.Client().ACL().PolicyUpdate(policy, nil); err != nil {
		t.Fatal(err)
	}
	o.until(t, "doubt, and the facts", func(o *observer) bool { return doubtful(o) && len(o.services) == 9 })
	register(t, a, "unseen")
	time.Sleep(3 * c.Wait) // every watch has asked again, and the sweep too
	o.until(t, "the facts to stay", func(o *observer) bool { return doubtful(o) && len(o.services) == 9 })
	policy.Rules = discoveryPolicy
	if _, _, err := a.Client().ACL().PolicyUpdate(policy, nil); err != nil {
		t.Fatal(err)
	}
	o.until(t, "the end of the doubt", func(o *observer) bool { return hasWell("unseen")(o) && len(o.services) == 10 })
}

// TestRealRightsOfNobody: without a token no header tells that an answer was filtered.
func TestRealRightsOfNobody(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{ACL: true})
	acl := a.Client().ACL()
	policy, _, err := acl.PolicyCreate(&api.ACLPolicy{Name: "all", Rules: discoveryPolicy}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const anonymous = "00000000-0000-0000-0000-000000000002"
	link := []*api.ACLTokenPolicyLink{{ID: policy.ID}}
	if _, _, err := acl.TokenUpdate(&api.ACLToken{AccessorID: anonymous, Policies: link}, nil); err != nil {
		t.Fatal(err)
	}
	register(t, a, "shop")
	register(t, a, "other")
	c := prompt(a.HTTP)
	c.Wait = time.Second
	o := observe(t, c, nil)
	o.until(t, "both services", func(o *observer) bool { return o.complete && has("shop")(o) && has("other")(o) })
	policy.Rules = ""
	if _, _, err := acl.PolicyUpdate(policy, nil); err != nil {
		t.Fatal(err)
	}
	o.until(t, "doubt, and the facts", func(o *observer) bool { return len(o.status.Doubts) > 0 && has("shop")(o) && has("other")(o) })
	// Now the index of one rises, while everything answered is empty.
	if err := a.Client().Agent().EnableServiceMaintenance("shop", "moving"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * c.Wait)
	o.until(t, "the facts to stay", func(o *observer) bool { return len(o.status.Doubts) > 0 && has("shop")(o) && has("other")(o) })
	policy.Rules = discoveryPolicy
	if _, _, err := acl.PolicyUpdate(policy, nil); err != nil {
		t.Fatal(err)
	}
	o.until(t, "the end of the doubt", func(o *observer) bool {
		return hasWell("shop")(o) && o.instance("shop").Health == discovery.Maintenance && has("other")(o)
	})
}

func TestRealHTTPS(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{HTTPS: true})
	fill(t, a)
	c := prompt("https://" + a.HTTPS)
	c.TLS.CAFile = a.CAFile
	o := observe(t, c, nil)
	o.until(t, "everything", func(o *observer) bool { return o.complete && len(o.services) == 8 && len(o.status.Doubts) == 0 })

	c.TLS.CAFile = ""
	stranger := observe(t, c, nil)
	stranger.until(t, "the doubt about an unknown authority", func(o *observer) bool { return o.doubts(discovery.SourceDoubt, "", "certificate") })
}

// TestRealStartedAgain: the agent counts the connections of sources that ended among ours until their waits are over, and no longer.
func TestRealStartedAgain(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{MaxConns: 24})
	fill(t, a)
	c := prompt(a.HTTP)
	c.Wait = time.Second
	for i := range 4 {
		t.Run(fmt.Sprint("start ", i+1), func(t *testing.T) {
			o := observe(t, c, nil)
			o.until(t, "a watch for each service, without doubt", func(o *observer) bool {
				return o.complete && len(o.services) == 8 && o.status.Watches == 9 && len(o.status.Doubts) == 0
			})
		})
	}
}

// TestRealConnectionLimit: an agent that allows fewer connections than watches is named, with what to change.
func TestRealConnectionLimit(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{MaxConns: 6})
	fill(t, a)
	c := prompt(a.HTTP)
	c.Readers, c.Patience = 1, 300*time.Millisecond
	o := observe(t, c, nil)
	o.until(t, "the doubt that names the limit", func(o *observer) bool {
		for _, d := range o.status.Doubts {
			if strings.Contains(d.Reason, "limits.http_max_conns_per_client") {
				return true
			}
		}
		return false
	})
}
