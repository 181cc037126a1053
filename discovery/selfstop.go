package discovery

import (
	"fmt"
	"time"
)

// MetaSelfStop is the key of Instance.Meta by which a container asks to be stopped by the agent of its host once that host has had no
// Consul leader for so long: SERVICE_SELF_STOP=60s.
const MetaSelfStop = "self_stop"

// LeastSelfStop is the shortest such time: an election takes seconds, and a restart of Consul must stop nothing.
const LeastSelfStop = 10 * time.Second

// SelfStop returns the time that an instance's Meta asks for, 0 if it asks for none.
func SelfStop(meta map[string]string) (time.Duration, error) {
	text := meta[MetaSelfStop]
	if text == "" {
		return 0, nil
	}
	after, err := time.ParseDuration(text)
	if err != nil || after < LeastSelfStop {
		return 0, fmt.Errorf("self_stop %q: want a time with its unit, at least %s, such as 60s", text, LeastSelfStop)
	}
	return after, nil
}
