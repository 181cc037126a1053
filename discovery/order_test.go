package discovery

import (
	"strings"
	"testing"
	"time"
)

func TestOrderCheck(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	until := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fine := Order{ID: "a1", Kind: StopContainer, Container: id, Author: "anna", Reason: "critical", Expires: until}
	for _, c := range []struct {
		name   string
		change func(*Order)
		wrong  string
	}{
		{"a stop", func(*Order) {}, ""},
		{"a drain", func(o *Order) { o.Kind, o.Container = DrainHost, "" }, ""},
		{"no ID", func(o *Order) { o.ID = "" }, "cannot be an ID"},
		{"an ID of two segments", func(o *Order) { o.ID = "a/b" }, "cannot be an ID"},
		{"an ID that goes up", func(o *Order) { o.ID = ".." }, "cannot be an ID"},
		{"no author", func(o *Order) { o.Author = "" }, "no author"},
		{"no reason", func(o *Order) { o.Reason = "" }, "no reason"},
		{"no end", func(o *Order) { o.Expires = time.Time{} }, "never expires"},
		{"a container's name", func(o *Order) { o.Container = "shop" }, "full ID"},
		{"a beginning of an ID", func(o *Order) { o.Container = id[:12] }, "full ID"},
		{"no container", func(o *Order) { o.Container = "" }, "full ID"},
		{"a drain of a container", func(o *Order) { o.Kind = UndrainHost }, "a host is drained"},
		{"an unknown kind", func(o *Order) { o.Kind = "destroy" }, "nothing is called"},
	} {
		o := fine
		c.change(&o)
		err := o.Check()
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v, want %q", c.name, err, c.wrong)
		}
	}
}

func TestOrderKeys(t *testing.T) {
	if got := OrderKey("web-1.example.com", "a1"); got != "fairlead/hosts/web-1.example.com/orders/a1" {
		t.Errorf("the key is %s", got)
	}
	for _, node := range []string{"", "a/b", "..", "a%2fb"} {
		if CheckNode(node) == nil {
			t.Errorf("%q passes as a host's name", node)
		}
	}
}
