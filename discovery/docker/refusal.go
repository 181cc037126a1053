package docker

// Refusal is something about a container that does not count, and why. It is no doubt: everything else goes on.
type Refusal struct {
	// Container is the container's name, ContainerID its full ID.
	Container   string `json:"container"`
	ContainerID string `json:"container_id"`
	// Port is the container's port, as in "80/tcp"; empty if all of them are meant.
	Port string `json:"port,omitempty"`
	// Service is the name that was refused, where it is known.
	Service string `json:"service,omitempty"`
	Reason  string `json:"reason"`
}

// String says it in a sentence.
func (r Refusal) String() string {
	what := "container " + r.Container
	if r.Service != "" {
		what += ", service " + r.Service
	}
	if r.Port != "" {
		what += ", port " + r.Port
	}
	return what + ": " + r.Reason
}
