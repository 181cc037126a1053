package discovery

import (
	"testing"
	"time"
)

func TestSelfStop(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "60s": time.Minute, "10s": LeastSelfStop, "1m30s": 90 * time.Second} {
		if got, err := SelfStop(map[string]string{MetaSelfStop: text}); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"60", "soon", "9.9s", "0s", "-1m"} {
		if got, err := SelfStop(map[string]string{MetaSelfStop: text}); err == nil || got != 0 {
			t.Errorf("%q: %v without an error", text, got)
		}
	}
}
