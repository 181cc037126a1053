package command

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// backend is one of the demo's small web servers.
type backend struct {
	listener net.Listener
	server   *http.Server
}

// startBackend starts a backend that says who it is. A POST to /stop ends it as a crash would: the port is closed, and connections
// break.
func startBackend(domain, id string, tags []string) (*backend, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &backend{listener: listener}
	role := ""
	if len(tags) > 0 {
		role = " (" + strings.Join(tags, ", ") + ")"
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s%s at %s, asked for %s\n", id, role, listener.Addr(), r.Host)
	})
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, _ *http.Request) {
		told := fmt.Sprintf("%s of %s stops\n", id, domain)
		w.Header().Set("Content-Length", strconv.Itoa(len(told)))
		io.WriteString(w, told)
		http.NewResponseController(w).Flush() // fails only if the one who asked has left
		go b.server.Close()
	})
	b.server = &http.Server{Handler: mux}
	go b.server.Serve(listener) // ends with Close
	return b, nil
}
