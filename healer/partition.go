package healer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

func (t *trial) partition(r *repair) string {
	switch {
	case r == nil:
		return ""
	case r.action.Kind == Scale && len(t.sight.Lost) > 0 && t.service.holds():
		return fmt.Sprintf("a copy may still run on %s, and on_partition is hold", strings.Join(t.sight.Lost, ", "))
	case r.action.Kind == Scale && t.service.StopsItself():
		return t.runsOn()
	case r.action.Kind == Stop && !r.superseded && r.drain == nil && t.service.Stateful:
		return "a stateful copy is not restarted without a person"
	}
	return ""
}

// lost returns the copies on lost nodes.
func (t *trial) lost() (all []*discovery.Instance) {
	for _, i := range t.sight.Instances {
		if slices.Contains(t.sight.Lost, i.Node) {
			all = append(all, i)
		}
	}
	return all
}

// runsOn names a copy on a lost node that nobody stops over there: what is said of the service only counts for containers that say so too.
func (t *trial) runsOn() string {
	for _, i := range t.lost() {
		if after, err := discovery.SelfStop(i.Meta); err != nil || after == 0 {
			return fmt.Sprintf("%s may still run on %s: on_partition is self_stop, and its container has no %s", i.ServiceID, i.Node, SelfStopLabel)
		}
	}
	return ""
}

// selfStop returns after what time the lost copies must have been stopped by their agents, 0 where they are not to be.
func (t *trial) selfStop() (after time.Duration) {
	if !t.service.StopsItself() {
		return 0
	}
	for _, i := range t.lost() {
		if own, err := discovery.SelfStop(i.Meta); err == nil {
			after = max(after, own)
		}
	}
	return after + t.policy.SelfStopMargin
}
