package balance

import (
	"regexp"
	"testing"

	"github.com/fairlead/fairlead/proxy/pool"
)

func TestToken(t *testing.T) {
	p := poolOf(nil, equals(4)...)
	tokens := map[string]bool{}
	for _, m := range p.Members {
		token := Token(m.ID())
		tokens[token] = true
		if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(token) {
			t.Errorf("token %q", token)
		}
		if got := Find(p, token); got != m {
			t.Errorf("the token of member %d finds member %d", position(p, m), position(p, got))
		}
	}
	if len(tokens) != 4 {
		t.Errorf("%d tokens for 4 members", len(tokens))
	}
	// Edges of different versions must agree: the value is fixed.
	if got := Token("live/n1/shop-1"); got != "a7863125572444fc" {
		t.Errorf("token %s", got)
	}
	for _, token := range []string{"", "0", "0000000000000000", "zzzzzzzzzzzzzzzz", "+000000000000001", Token("x") + "0"} {
		if m := Find(p, token); m != nil {
			t.Errorf("token %q finds %s", token, m.ID())
		}
	}
}

// TestFind: a bound client stays at a member in a group that does not take part any more, and at one that drains, but at no other.
func TestFind(t *testing.T) {
	for state, want := range map[pool.State]bool{pool.Active: true, pool.Draining: true, pool.Disabled: false, pool.Down: false} {
		p := poolOf(nil, priority(10), priority(9))
		p.Members[1].State = state
		if got := Find(p, Token(p.Members[1].ID())) != nil; got != want {
			t.Errorf("a member that is %s is found: %v", state, got)
		}
	}
}
