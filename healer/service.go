package healer

import "encoding/json"

// Service is one entry of the desired file: what must be present, and how a copy is run.
type Service struct {
	// Domain is the service's name in the catalog, or the domain that its Meta claims.
	Domain string `json:"domain"`
	// Cluster is the cluster that must show the copies; the first one configured if empty.
	Cluster string `json:"cluster,omitempty"`
	// Count is the number of copies wanted: at least 2, or 1 with Singleton.
	Count     int  `json:"count"`
	Singleton bool `json:"singleton,omitempty"`
	// MinAvailable is how many must stay present in planned work; Count-1 but at least 1 if 0.
	MinAvailable int `json:"min_available,omitempty"`
	// Stateful copies are not replaced while theirs may still be running somewhere: OnPartition is "hold" for them by default.
	Stateful bool `json:"stateful,omitempty"`
	// OnPartition says what is done about copies on a node that is cut off: "replace" (default), "hold", or "self_stop", which replaces
	// them once they must have been stopped by their host's agent.
	OnPartition string `json:"on_partition,omitempty"`
	Run         Run    `json:"run"`
}

// Run says what is started: a Swarm service to scale, or a container on one plain engine.
type Run struct {
	// Swarm names a replicated Swarm service. The other fields are empty then.
	Swarm string `json:"swarm,omitempty"`

	// Image is what a container on a plain engine is made of; Host names the engine, the only one if empty.
	Image string `json:"image,omitempty"`
	Host  string `json:"host,omitempty"`
	// Port is the container's port, published on a random one of the host.
	Port    uint16            `json:"port,omitempty"`
	Command []string          `json:"command,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	Mounts  []Mount           `json:"mounts,omitempty"`
}

// Mount binds a folder or a volume of the host.
type Mount struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	ReadOnly bool   `json:"read_only,omitempty"`
}

// Least is the number of copies that must stay present in planned work.
func (s *Service) Least() int {
	if s.MinAvailable > 0 {
		return s.MinAvailable
	}
	return max(1, s.Count-1)
}

// The values of OnPartition.
const (
	onPartitionReplace  = "replace"
	onPartitionHold     = "hold"
	onPartitionSelfStop = "self_stop"
)

// SelfStopLabel is the container label that becomes discovery.MetaSelfStop in the catalog, and SelfStopAfter its value where a copy that
// stops by itself names none.
const (
	SelfStopLabel = "SERVICE_SELF_STOP"
	SelfStopAfter = "60s"
)

// StopsItself reports whether copies are to be stopped by their host's agent when it is cut off.
func (s *Service) StopsItself() bool { return s.OnPartition == onPartitionSelfStop }

// holds reports whether copies on a node that is cut off are waited for instead of replaced.
func (s *Service) holds() bool {
	return s.OnPartition == onPartitionHold || s.OnPartition == "" && s.Stateful
}

// signature tells one way of running a service from another: what was learnt of an old one says nothing of the new.
func (s *Service) signature() string {
	text, err := json.Marshal(&s.Run)
	if err != nil { // texts and numbers always encode
		panic(err)
	}
	return version(text)
}
