package docker

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/docker/docker/client"
)

// advised adds to the error of a connection that did not come about what is to be done. The Docker client names the socket, and keeps of
// the system's error nothing but its words.
func advised(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "permission denied"):
		return fmt.Errorf("%w: run as root or in the group docker, or let this user read and write the socket", err)
	case client.IsErrConnectionFailed(err):
		return fmt.Errorf("%w Start Docker, or name the engine's socket", err)
	}
	return err
}
