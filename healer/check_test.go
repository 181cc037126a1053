package healer

import (
	"strings"
	"testing"

	"github.com/fairlead/fairlead/discovery"
)

func TestCheck(t *testing.T) {
	d, err := Parse("d.json", []byte(`{"services": [
		{"domain": "few.example.com", "count": 2, "run": {"swarm": "a"}},
		{"domain": "good.example.com", "count": 2, "run": {"swarm": "b"}},
		{"domain": "many.example.com", "count": 2, "run": {"swarm": "c"}},
		{"domain": "dark.example.com", "count": 2, "cluster": "test", "run": {"swarm": "d"}},
		{"domain": "nowhere.example.com", "count": 2, "cluster": "third", "run": {"swarm": "e"}}]}`), []string{"live", "test", "third"})
	if err != nil {
		t.Fatal(err)
	}
	live := registry(t, "few.example.com|n1|a|passing", "good.example.com|n1|a|passing", "good.example.com|n2|b|warning",
		"many.example.com|n1|a|passing", "many.example.com|n1|b|passing", "many.example.com|n1|c|passing")
	facts := []*discovery.Facts{live, discovery.NoFacts("test")}
	for _, c := range []struct {
		only string
		want State
		code int
	}{
		{"good.example.com", Passing, 0},
		{"many.example.com", Warning, 1},
		{"live/Few.example.com", Critical, 2},
		{"dark.example.com", Unknown, 3},
		{"nowhere.example.com", Unknown, 3},
		{"good.example.com many.example.com", Warning, 1},
		{"many.example.com dark.example.com", Unknown, 3},
		{"dark.example.com few.example.com", Critical, 2},
		{"", Critical, 2},
	} {
		v, err := Check(d, facts, strings.Fields(c.only))
		if err != nil || v.State != c.want || v.State.ExitCode() != c.code {
			t.Errorf("%s: %+v, %v", c.only, v, err)
		}
	}
	if _, err := Check(d, facts, []string{"shop.example.com"}); err == nil || !strings.Contains(err.Error(), `no service "shop.example.com" is in the desired file`) {
		t.Error(err)
	}
	v, err := Check(d, facts, nil)
	if err != nil {
		t.Fatal(err)
	}
	var table, text strings.Builder
	if err := v.WriteTable(&table); err != nil {
		t.Error(err)
	}
	if err := v.WriteJSON(&text); err != nil {
		t.Error(err)
	}
	const want = `STATE     CLUSTER  SERVICE              PRESENT  WANTED  REASON
critical  live     few.example.com      1        2       
passing   live     good.example.com     2        2       
warning   live     many.example.com     3        2       
unknown   test     dark.example.com     ?        2       nothing is known of cluster test yet
unknown   third    nowhere.example.com  ?        2       nothing is known of cluster third
`
	if table.String() != want {
		t.Errorf("got\n%s\nwant\n%s", table.String(), want)
	}
	if !strings.Contains(text.String(), `"state": "critical"`) || !strings.Contains(text.String(), `"service": "good.example.com"`) {
		t.Error(text.String())
	}
}
