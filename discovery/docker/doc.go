// Package docker finds instances among the running containers of one Docker engine.
//
// # What is read
//
// The engine is asked for the list of its running containers and for each of them (inspect) at the start, then for the list every
// Config.Interval and after events. A container is asked for again when an event names it, when the list says something else of it
// than before, and now and then for the sake of what nobody told. Events are hints: only what the engine answers to a question asked
// later becomes a fact. There is one exception: the answers of an engine that is busy stopping a container lag seconds behind, so the
// events "kill" and "die" mark an instance as leaving until an answer is newer.
//
// # What counts
//
// A container counts while it runs. Each of its ports that is published on the host is an instance (or each exposed port, with
// Config.Internal and for containers in the host's network). What environment and labels say is described in docs/registrator.md.
// What cannot be an instance because something about it is wrong stands in Source.Refusals, by name and with a reason.
//
// # What is not believed
//
// An engine that errs or does not answer in time is unknown, not empty: its facts stay, in doubt, until it answers again. So do those
// of a single container that the engine cannot be asked about. What a good answer says is trusted.
package docker
