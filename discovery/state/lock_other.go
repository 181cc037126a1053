//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package state

import (
	"context"
	"errors"
)

// lock refuses: without flock two writers could lose each other's documents.
func lock(context.Context, string) (unlock func(), err error) {
	return nil, errors.New("state in a local file needs file locks (flock), which this system has not; use Consul's")
}
