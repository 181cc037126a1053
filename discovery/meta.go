package discovery

// Keys of Instance.Meta that Fairlead writes itself. They carry facts between its parts, some of them through Consul, so no source lets
// a container's labels or environment set them.
const (
	// MetaContainer is the full ID of the Docker container an instance runs in.
	MetaContainer = "container"
	// MetaSwarmService and MetaSwarmTask are the name of the Swarm service and the ID of the task that the container belongs to.
	MetaSwarmService = "swarm_service"
	MetaSwarmTask    = "swarm_task"
	// MetaOwner says who registered an instance and may change or deregister it.
	MetaOwner = "owner"
	// MetaNodeID is the lasting identity of the host it was registered from, whatever that host is called at the moment.
	MetaNodeID = "node_id"
)
