// Package notify tells people what the healer finds: by webhook, e-mail or a command.
//
// Each receiver has a queue of its own, in memory and in a file, and goes through it alone: one that is slow or dead delays neither the
// healer nor the other receivers. A message is delivered at least once; after a crash it may be delivered twice. Messages of one matter
// (healer.Notice.Key) arrive in their order.
//
// A matter is told once, again when it changes or lasts, and once when it is over. What is told when is decided by book, which does no
// I/O and reads no clock.
package notify
