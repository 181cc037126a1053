// Package healer keeps services at their wanted number of copies. It compares what is wanted (the desired file) with what is present
// (package discovery's facts, never what our own limits, ejections or drains make of them), plans repairs, has a Runtime carry them out,
// and believes in a repair only when a later reading shows it.
//
// Deciding and acting are separate: Plan does no I/O and reads no clock. Events and watches only wake the Supervisor, which asks for
// the truth each time. What must not run twice is fenced by the engine itself, by a version index or a container's name; a lock
// merely chooses who tries.
package healer
