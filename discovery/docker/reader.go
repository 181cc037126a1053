package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
)

// Reader reads what the containers of one engine say and use. It changes nothing. Its methods may be called from several goroutines, and
// each call has a connection of its own while it lasts.
type Reader struct{ engine *engine }

// Described is a container as readers of its logs need to know it, running or not. Environment and labels stay out: they hold secrets.
type Described struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Image   string    `json:"image"`
	State   string    `json:"state"` // in the engine's words: running, exited …
	Status  string    `json:"status"`
	Created time.Time `json:"created"`
}

// Errors of a Reader.
var (
	// ErrNoContainer: the engine has no such container.
	ErrNoContainer = errors.New("there is no such container")
	// ErrUnreadable: the container's logs go where they cannot be read from.
	ErrUnreadable = errors.New("the logs of this container cannot be read here")
)

// NewReader returns a reader of the engine of c, which is asked nothing yet.
func NewReader(c Config) (*Reader, error) {
	e, err := newEngine(c.withDefaults())
	if err != nil {
		return nil, err
	}
	return &Reader{e}, nil
}

// Close ends idle connections.
func (r *Reader) Close() { r.engine.close() }

// Containers lists all containers of the engine.
func (r *Reader) Containers(ctx context.Context) ([]Described, error) {
	list, err := ask(ctx, r.engine, "listing the containers", func(ctx context.Context, c *client.Client) ([]api.Summary, error) {
		return c.ContainerList(ctx, api.ListOptions{All: true})
	})
	var all []Described
	for _, s := range list {
		name := ""
		for _, linked := range s.Names { // the own name has one slash, those that links give it have more
			if own := strings.TrimPrefix(linked, "/"); !strings.Contains(own, "/") {
				name = own
			}
		}
		all = append(all, Described{s.ID, name, s.Image, s.State, s.Status, time.Unix(s.Created, 0).UTC()})
	}
	return all, err
}

// inspect returns how a container stands.
func (r *Reader) inspect(ctx context.Context, id string) (api.InspectResponse, error) {
	found, err := ask(ctx, r.engine, "inspecting a container", func(ctx context.Context, c *client.Client) (api.InspectResponse, error) {
		return c.ContainerInspect(ctx, id)
	})
	switch {
	case isGone(err):
		return found, fmt.Errorf("%w: %s", ErrNoContainer, id)
	case err == nil && (found.ContainerJSONBase == nil || found.State == nil || found.Config == nil):
		return found, errors.New("inspecting a container: the answer has no state or configuration")
	}
	return found, err
}
