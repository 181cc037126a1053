package docker

import (
	"errors"
	"fmt"
	"io"
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

// unreachable is a transport on which connections for some paths do not come about, for the reason given; others get an answer.
type unreachable struct {
	paths  string // a part of theirs
	reason error
	answer string
}

func (u unreachable) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, u.paths) {
		return nil, &net.OpError{Op: "dial", Net: "unix", Err: u.reason}
	}
	header := http.Header{"Api-Version": {"1.44"}, "Content-Type": {"application/json"}}
	return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(strings.NewReader(u.answer)), Request: r}, nil
}

func (u unreachable) engine(t *testing.T, socket string) *engine {
	t.Helper()
	e, err := newEngine(Config{Host: "unix://" + socket, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	e.options = append(e.options, client.WithHTTPClient(&http.Client{Transport: u}))
	return e
}

// Whatever asks the engine first, or follows it, says what to do where no connection comes about, and names the socket.
func TestAdvice(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "docker.sock")
	const running = `{"Id": "c", "State": {"Running": true}, "Config": {}}`
	for name, ask := range map[string]struct {
		paths string
		do    func(*engine) error
	}{
		"the first request": {"", func(e *engine) error { _, err := e.containers(t.Context()); return err }},
		"a later one":       {"/containers/json", func(e *engine) error { _, err := e.containers(t.Context()); return err }},
		"events": {"/events", func(e *engine) error {
			_, err := e.stream(t.Context(), time.Hour, func(any) error { return nil })
			return err
		}},
		"logs": {"/logs", func(e *engine) error {
			return (&Reader{e}).Logs(t.Context(), "c", LogQuery{}, func(LogRecord) error { return nil })
		}},
		"statistics": {"/stats", func(e *engine) error {
			return (&Reader{e}).Stats(t.Context(), "c", true, func(Stats) error { return nil })
		}},
	} {
		for reason, want := range map[syscall.Errno]string{
			syscall.EACCES: "group docker", syscall.ENOENT: "name the engine's socket", syscall.ECONNREFUSED: "name the engine's socket",
		} {
			err := ask.do(unreachable{ask.paths, os.NewSyscallError("connect", reason), running}.engine(t, socket))
			if err == nil || !strings.Contains(err.Error(), socket) || strings.Count(err.Error(), want) != 1 {
				t.Errorf("%s, %v: got %v, want %q once", name, reason, err, want)
			}
		}
	}
}

// What an engine answers is no failed connection, whatever its words; nor is a file of ours that cannot be read.
func TestNoAdvice(t *testing.T) {
	s := startScript(t, "1.44")
	s.fault("list", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, `{"message":"mkdir /var/lib/docker: permission denied"}`)
	})
	e, err := newEngine(quick(s))
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	if _, err := e.containers(t.Context()); err == nil || strings.Contains(err.Error(), "group docker") {
		t.Errorf("an engine's answer: %v", err)
	}
	for _, other := range []error{errors.New("no answer"), &os.PathError{Op: "open", Path: "key.pem", Err: syscall.EACCES}, nil} {
		if Advised(other) != other {
			t.Errorf("%v is changed to %v", other, Advised(other))
		}
	}
}
