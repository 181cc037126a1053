package registrar

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// lock makes sure that one registrar of this host acts for an owner and a node, in this process and all others. It is the name of a
// socket in Linux's abstract namespace: it costs Consul no write, leaves no file, and ends with its process. Registrars in different
// network namespaces do not see each other.
func lock(key string) (unlock func(), err error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: fmt.Sprintf("@fairlead-registrar-%x", sha256.Sum256([]byte(key)))})
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, errTaken
	}
	if err != nil {
		return nil, fmt.Errorf("making sure that no other registrar runs: %w", err)
	}
	return func() { _ = l.Close() }, nil
}
