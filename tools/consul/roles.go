package consul

import "github.com/fairlead/fairlead/tools/lab"

// Roles tells the leader of three servers from the others.
func Roles(tb lab.TB, agents []*Agent) (leader, ours, third *Agent) {
	tb.Helper()
	for _, a := range agents {
		leads, err := a.IsLeader()
		if err != nil {
			tb.Fatalf("asking for the leader: %v", err)
		}
		switch {
		case leads:
			leader = a
		case ours == nil:
			ours = a
		default:
			third = a
		}
	}
	if leader == nil || third == nil {
		tb.Fatalf("the cluster has no single leader")
	}
	return leader, ours, third
}
