package healer

import (
	"context"
	"errors"
	"time"
)

// Runtime runs containers. Each method asks or tells the engine itself, and gives up when ctx ends: an engine that does not answer is
// unknown, not empty.
type Runtime interface {
	// Name names the runtime for operators: "swarm", "docker unix:///var/run/docker.sock".
	Name() string
	// Observe returns what the engine knows of a service's copies, freshly read.
	Observe(ctx context.Context, s *Service) (Observation, error)
	// Do carries out one action planned from an observation. The engine arbitrates: an action whose fence has moved is ErrFenced and
	// nothing was done.
	Do(ctx context.Context, a Action) error
}

// Preparer is a Runtime with slow preparations, such as pulling an image. Prepare makes them and starts nothing: leadership is looked
// at once more between it and Do, which is then short.
type Preparer interface {
	Prepare(ctx context.Context, a Action) error
}

// Errors of a Runtime, to be told apart by errors.Is.
var (
	// ErrFenced: somebody else has changed the service, or runs the slot already, since it was observed.
	ErrFenced = errors.New("the service has changed since it was looked at")
	// ErrUnknownService: the engine has no such service or image, and a person must act.
	ErrUnknownService = errors.New("unknown to the engine")
	// ErrRefused: carrying the action out would do harm, such as restarting what runs well.
	ErrRefused = errors.New("refused")
)

// Observation is a runtime's own view of one service. It is the caller's.
type Observation struct {
	// Replicas is the number the engine itself keeps up (Swarm's Replicas); -1 where it keeps none.
	Replicas int
	// Fence is the version an action is good for (Swarm's version index); 0 where names fence.
	Fence uint64
	// Busy says why the engine must be left alone now: an update runs, is paused or rolls back. Empty if it need not.
	Busy   string
	Copies []Copy
}

// Copy is one container, or Swarm task, of a service.
type Copy struct {
	// ID is the container's ID, or the task's where there is no container.
	ID string
	// Name is the container's name where the runtime knows it. It tells which instance of the catalog this copy is where that has
	// no MetaContainer.
	Name string
	// Slot is the copy's place, from 1 to the count; Generation rises with each that took the place. 0 for a copy that is none of ours.
	Slot, Generation int
	Node             string
	Running          bool
	Since            time.Time
	// Problem is the engine's own word for why it does not run.
	Problem string
}

// Kind is what an action does.
type Kind string

const (
	// Scale raises the number of replicas that Swarm keeps up to To.
	Scale Kind = "scale"
	// Start starts a container on a plain engine in Slot, as Generation.
	Start Kind = "start"
	// Stop stops the container Copy, for Swarm or a later Start to replace, or because it is superseded.
	Stop Kind = "stop"
)

// Action is one repair.
type Action struct {
	Kind    Kind
	Service *Service
	// To is the number of replicas of a Scale.
	To int
	// Slot and Generation are those of a Start.
	Slot, Generation int
	// Copy and Node name what a Stop stops, and where: by the engine's name for the node, or the catalog's if the engine gives none.
	Copy, Node string
	// Fence is that of the observation.
	Fence uint64
	// Reason says why, for people.
	Reason string
}
