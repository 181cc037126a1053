package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"

	"github.com/fairlead/fairlead/tools/engine"
	"github.com/fairlead/fairlead/tools/lab"
)

// each is how many containers share one with a check.
const each = 5

// checked returns how many of so many containers have a check.
func checked(containers int) int { return (containers + each - 1) / each }

// scripted returns the address of an engine on which containers run that nothing happens to. All are published at one port of
// 127.0.0.1, and those with a check are checked by connecting to it.
func scripted(tb lab.TB, o size, port int) (host string) {
	tb.Helper()
	s := engine.NewScript(tb, "1.44")
	var list []any
	for n := range o.containers {
		id, name := fmt.Sprintf("%064x", n+1), fmt.Sprintf("web-%d", n)
		labels := map[string]string{"SERVICE_NAME": fmt.Sprintf("s%d.example.com", n/each), "SERVICE_TAGS": "a,b"}
		if n%each == 0 {
			labels["SERVICE_CHECK_TCP"], labels["SERVICE_CHECK_INTERVAL"] = "true", o.interval.String()
		}
		bound := map[string]any{"80/tcp": []any{map[string]any{"HostIp": "127.0.0.1", "HostPort": strconv.Itoa(port)}}}
		s.JSON("GET /containers/"+id+"/json", http.StatusOK, document(tb, map[string]any{
			"Id": id, "Name": "/" + name, "Created": "2026-01-02T03:04:05Z", "Image": "sha256:" + id,
			"State":           map[string]any{"Status": "running", "Running": true, "StartedAt": "2026-01-02T03:04:06Z"},
			"Config":          map[string]any{"Image": "web:1", "Labels": labels, "ExposedPorts": map[string]any{"80/tcp": map[string]any{}}},
			"HostConfig":      map[string]any{"NetworkMode": "default"},
			"NetworkSettings": map[string]any{"Ports": bound, "Networks": map[string]any{}},
		}))
		list = append(list, map[string]any{
			"Id": id, "Names": []string{"/" + name}, "Image": "web:1", "State": "running", "Status": "Up 2 minutes", "Labels": labels,
		})
	}
	s.JSON("GET /containers/json", http.StatusOK, document(tb, list))
	s.JSON("GET /networks", http.StatusOK, "[]")
	s.JSON("GET /info", http.StatusOK, `{"Name": "host-of-the-engine"}`)
	s.Handle("GET /events", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush() // a follower that is gone needs no answer
		<-r.Context().Done()
	})
	return s.Host
}

func document(tb lab.TB, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		tb.Fatalf("an engine's answer: %v", err)
	}
	return string(text)
}

// netPort returns the port of host:port.
func netPort(addr string) (int, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}
