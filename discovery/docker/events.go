package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

// event is what counts of the engine's message. Type, Action and Actor are all that is read of one: the fields status, id and from are
// no longer sent since version 1.52 of the API.
type event struct {
	container string
	action    events.Action
	signal    int    // of a kill
	exitCode  string // of a die
}

// wanted are the events that may change what a container is. The checks that run inside containers make many others.
var wanted = filters.NewArgs(
	filters.Arg("type", string(events.ContainerEventType)), filters.Arg("type", string(events.NetworkEventType)),
	filters.Arg("event", string(events.ActionStart)), filters.Arg("event", string(events.ActionDie)),
	filters.Arg("event", string(events.ActionKill)), filters.Arg("event", string(events.ActionDestroy)),
	filters.Arg("event", string(events.ActionPause)), filters.Arg("event", string(events.ActionUnPause)),
	filters.Arg("event", string(events.ActionRename)), filters.Arg("event", string(events.ActionHealthStatus)),
	filters.Arg("event", string(events.ActionConnect)), filters.Arg("event", string(events.ActionDisconnect)),
)

// readEvent returns what counts of a message, if it is about a container.
func readEvent(m events.Message) (event, bool) {
	e := event{container: m.Actor.ID, action: m.Action, exitCode: m.Actor.Attributes["exitCode"]}
	switch m.Type {
	case events.ContainerEventType:
	case events.NetworkEventType:
		e.container = m.Actor.Attributes["container"]
	default:
		return event{}, false
	}
	if m.Action == events.ActionKill {
		e.signal, _ = strconv.Atoi(m.Actor.Attributes["signal"]) // 0 is no signal that stops anything
	}
	return e, e.container != ""
}

// streaming says that events come now, or why they do not.
type streaming struct{ err error }

// watch passes the engine's events on until ctx ends, and comes back after every end of the stream.
func (e *engine) watch(ctx context.Context, c Config, pass func(any) error) error {
	for failures := 1; ; failures++ {
		begun, err := e.stream(ctx, c.Settle, pass)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if begun {
			failures = 1
		}
		if err := pass(streaming{err: err}); err != nil {
			return err
		}
		if err := sleep(ctx, backoff(c.BackoffMin, c.BackoffMax, failures)); err != nil {
			return err
		}
	}
}

// stream passes events on until the stream ends. It counts as begun after settle: the engine answers before it has subscribed us, so
// what happens in between goes untold, and whoever hears that the stream has begun has to look for himself.
func (e *engine) stream(ctx context.Context, settle time.Duration, pass func(any) error) (begun bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the client's goroutine too
	messages, ended, err := e.subscribe(ctx, cancel)
	if err != nil {
		return false, err
	}
	settled := time.After(settle)
	for {
		select {
		case m := <-messages:
			if ev, ok := readEvent(m); ok {
				err = pass(ev)
			}
		case <-settled:
			begun, err = true, pass(streaming{})
		case err = <-ended:
			if errors.Is(err, io.EOF) || err == nil {
				err = errors.New("the engine ended the stream")
			}
			err = fmt.Errorf("following events: %w", Advised(err))
		}
		if err != nil {
			return begun, err
		}
	}
}

// subscribe asks for events; cancel, of ctx, is called if no answer begins in time.
func (e *engine) subscribe(ctx context.Context, cancel func()) (<-chan events.Message, <-chan error, error) {
	silence := time.AfterFunc(e.timeout, cancel)
	c, err := e.connect(ctx)
	var messages <-chan events.Message
	var ended <-chan error
	if err == nil {
		messages, ended = c.Events(ctx, events.ListOptions{Filters: wanted})
	}
	if !silence.Stop() {
		err = fmt.Errorf("no answer within %s", e.timeout)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("asking for events: %w", err)
	}
	return messages, ended, nil
}
