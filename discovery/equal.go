package discovery

import (
	"maps"
	"slices"
)

// Equal reports whether both say the same in every field; nil and empty tags or Meta are the same.
func (i *Instance) Equal(o *Instance) bool {
	return i == o || i.ID == o.ID && i.Cluster == o.Cluster && i.Node == o.Node && i.Service == o.Service && i.ServiceID == o.ServiceID &&
		i.Address == o.Address && i.Port == o.Port && i.Weights == o.Weights && i.Health == o.Health && i.HealthNote == o.HealthNote &&
		i.CreateIndex == o.CreateIndex && i.Held == o.Held && slices.Equal(i.Tags, o.Tags) && maps.Equal(i.Meta, o.Meta)
}

// sameInstances reports whether two sets, nil for none, tell the same facts. Their indexes do not count: a source's index may
// rise although nothing about the service has changed.
func sameInstances(a, b *Service) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil {
		return false
	}
	return slices.EqualFunc(a.Instances, b.Instances, func(x, y Instance) bool { return x.Equal(&y) })
}

// sameDoubts reports whether two lists give the same reasons.
func sameDoubts(a, b []Doubt) bool {
	return slices.EqualFunc(a, b, func(x, y Doubt) bool {
		return x.Kind == y.Kind && x.Service == y.Service && x.Reason == y.Reason && x.Since.Equal(y.Since) && x.Until.Equal(y.Until)
	})
}

// sameStatus reports whether two states of a source show the same.
func sameStatus(a, b SourceStatus) bool {
	return a.Name == b.Name && a.Ready == b.Ready && a.LastAnswer.Equal(b.LastAnswer) && a.Index == b.Index &&
		a.Watches == b.Watches && a.Strategy == b.Strategy && sameDoubts(a.Doubts, b.Doubts) &&
		slices.Equal(a.Refused, b.Refused)
}

// sameStanding reports whether two states of a source differ in no more than signs of life.
func sameStanding(a, b SourceStatus) bool {
	return a.Ready == b.Ready && sameDoubts(a.Doubts, b.Doubts)
}
