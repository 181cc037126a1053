package docker

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/client"
)

// What the Docker client makes of the system's errors is advised about, and names the socket.
func TestAdvice(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "docker.sock")
	for reason, want := range map[syscall.Errno]string{
		syscall.EACCES: "group docker", syscall.ENOENT: "name the engine's socket", syscall.ECONNREFUSED: "name the engine's socket",
	} {
		e, err := newEngine(Config{Host: "unix://" + socket, Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		e.options = append(e.options, client.WithHTTPClient(&http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", reason)}
			},
		}}))
		_, err = e.containers(t.Context())
		if err == nil || !strings.Contains(err.Error(), socket) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", reason, err, want)
		}
	}
	if other := errors.New("no answer"); advised(other) != other {
		t.Error("another error is changed")
	}
}
