package docker

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/docker/docker/client"
)

// Advised adds to the error of a connection to an engine that did not come about what is to be done. Any other error, and whatever an
// engine answered, comes back as it is.
func Advised(err error) error {
	switch {
	case !client.IsErrConnectionFailed(err):
		return err
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w (run as root or in the group docker, or let this user read and write the socket)", err)
	}
	return fmt.Errorf("%w (start Docker, or name the engine's socket)", err)
}
