package healer

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// lose adds a copy on a lost node, whose container says so of SERVICE_SELF_STOP.
func (s *scene) lose(node, container, selfStop string) {
	s.register(shop, node, container, discovery.Critical, "Serf Health Status is critical")
	all := s.instances[shop]
	all[len(all)-1].Meta = map[string]string{discovery.MetaSelfStop: selfStop}
}

// Copies that are stopped by their own hosts are replaced once they must have been, and not before.
func TestCopiesThatStopThemselves(t *testing.T) {
	for _, c := range []struct {
		name        string
		onPartition string
		selfStop    string
		want        time.Duration
	}{
		{"sooner than a node counts as lost", onPartitionSelfStop, "60s", 2 * time.Minute},
		{"later than that", onPartitionSelfStop, "2m", 2*time.Minute + 45*time.Second},
		{"of no matter", onPartitionReplace, "5m", 2 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shortScene(t)
			s.in.Services[0].OnPartition, s.in.Services[0].Stateful = c.onPartition, true
			s.lose("n3", "c", c.selfStop)
			if r, after := s.until(10 * time.Minute); len(r.Claims) != 1 || after != c.want {
				t.Errorf("%d claims after %s, want one after %s", len(r.Claims), after, c.want)
			}
		})
	}
}

// One that does not say so may run on for ever, whatever the others say.
func TestOneCopyThatRunsOn(t *testing.T) {
	for _, selfStop := range []string{"", "soon"} {
		s := shortScene(t)
		s.in.Services[0].OnPartition = onPartitionSelfStop
		s.lose("n3", "c", "60s")
		s.lose("n3", "d", selfStop)
		gate, reason := s.refused(shop, 10*time.Minute)
		if gate != GatePartition || !strings.Contains(reason, "n3:d:80 may still run on n3: on_partition is self_stop, and its container has no SERVICE_SELF_STOP") {
			t.Errorf("%q: refused by %q: %s", selfStop, gate, reason)
		}
	}
}
