package pool

import (
	"maps"
	"slices"
	"testing"
)

func TestValuesHoldEverySettingAsSetReadsIt(t *testing.T) {
	spec := DefaultSpec()
	spec.Apply("test", Settings{"sticky": "member", "slow_start": "30m30s", "tunnel_timeout": "90m", "warning": "down",
		"hash_on": "header X-User", "priority_tags": "a=1,c=3,b=3", "check": "/health", "check_status": "204"})
	values := spec.Values()
	if keys := slices.Sorted(maps.Keys(values)); !slices.Equal(keys, SettingKeys()) {
		t.Fatalf("keys %v, want %v", keys, SettingKeys())
	}
	again := DefaultSpec()
	if problems := again.Apply("test", values); problems != nil {
		t.Fatal(problems)
	}
	if got := again.Values(); !maps.Equal(got, values) {
		t.Errorf("read back as %v, want %v", got, values)
	}
	for key, want := range map[string]string{"slow_start": "30m30s", "tunnel_timeout": "1h30m", "keepalive": "1m", "priority_tags": "b=3,c=3,a=1"} {
		if values[key] != want {
			t.Errorf("%s is %q, want %q", key, values[key], want)
		}
	}
}
