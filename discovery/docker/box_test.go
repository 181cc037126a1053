package docker

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// box is a container of a script, in the fields that count. Its ports are written as in "80", "53/udp" (exposed only) and
// "80=0.0.0.0:32768,[::]:32768" (published).
type box struct {
	id, name, image    string
	env                []string
	labels             map[string]string
	ports              []string
	network            string            // HostConfig.NetworkMode
	networks           map[string]string // IPv4 address by network
	networks6          map[string]string
	state              string // "running" if empty
	health, stopSignal string
	stopTimeout        int
	started            string
}

// with returns a copy that is changed.
func (b box) with(change func(*box)) box {
	b.labels = maps.Clone(b.labels)
	change(&b)
	return b
}

func (b box) bindings() (exposed map[string]any, bound map[string]any, listed []any) {
	exposed, bound = map[string]any{}, map[string]any{}
	for _, p := range b.ports {
		port, hosts, published := strings.Cut(p, "=")
		if !strings.Contains(port, "/") {
			port += "/tcp"
		}
		exposed[port], bound[port] = map[string]any{}, nil
		number, proto, _ := strings.Cut(port, "/")
		if !published {
			continue
		}
		all := []any{}
		for host := range strings.SplitSeq(hosts, ",") {
			colon := strings.LastIndex(host, ":")
			ip, at := strings.Trim(host[:colon], "[]"), host[colon+1:]
			all = append(all, map[string]any{"HostIp": ip, "HostPort": at})
			var private, public int
			fmt.Sscan(number, &private)
			fmt.Sscan(at, &public)
			listed = append(listed, map[string]any{"IP": ip, "PrivatePort": private, "PublicPort": public, "Type": proto})
		}
		bound[port] = all
	}
	return exposed, bound, listed
}

func (b box) endpoints() map[string]any {
	all := map[string]any{}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(b.networks)), slices.Collect(maps.Keys(b.networks6))) {
		all[name] = map[string]any{"IPAddress": b.networks[name], "GlobalIPv6Address": b.networks6[name]}
	}
	return all
}

// inspect and list are the engine's answers about it.
func (b box) inspect() map[string]any {
	exposed, bound, _ := b.bindings()
	state := map[string]any{
		"Status": b.status(), "Running": b.status() != "exited", "Paused": b.status() == "paused",
		"Restarting": b.status() == "restarting", "StartedAt": b.started,
	}
	if b.health != "" {
		state["Health"] = map[string]any{"Status": b.health}
	}
	config := map[string]any{"Image": b.image, "Env": b.env, "Labels": b.labels, "ExposedPorts": exposed, "StopSignal": b.stopSignal}
	if b.stopTimeout > 0 {
		config["StopTimeout"] = b.stopTimeout
	}
	return map[string]any{
		"Id": b.id, "Name": "/" + b.name, "Created": "2026-01-02T03:04:05Z", "Image": "sha256:8da1b939a46a687f01b5a599ccc97af1",
		"State": state, "Config": config, "HostConfig": map[string]any{"NetworkMode": b.network},
		"NetworkSettings": map[string]any{"Ports": bound, "Networks": b.endpoints()},
	}
}

func (b box) list() map[string]any {
	_, _, ports := b.bindings()
	up := "Up 2 minutes"
	switch {
	case b.status() == "paused":
		up += " (Paused)"
	case b.health == "starting":
		up += " (health: starting)"
	case b.health != "":
		up += " (" + b.health + ")"
	}
	return map[string]any{
		"Id": b.id, "Names": []string{"/" + b.name}, "Image": b.image, "State": b.status(), "Status": up, "Ports": ports,
		"Labels": b.labels, "NetworkSettings": map[string]any{"Networks": b.endpoints()},
	}
}

func (b box) status() string {
	if b.state == "" {
		return "running"
	}
	return b.state
}

// run puts containers into the engine, or changes them, without a word.
func (s *script) run(boxes ...box) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range boxes {
		if s.lists[b.id] == nil {
			s.order = append(s.order, b.id)
		}
		s.inspects[b.id], s.lists[b.id] = b.inspect(), b.list()
	}
}

// remove takes containers out without a word.
func (s *script) remove(boxes ...box) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range boxes {
		delete(s.inspects, b.id)
		delete(s.lists, b.id)
		s.order = slices.DeleteFunc(s.order, func(id string) bool { return id == b.id })
	}
}

// shop returns a container that publishes port 80.
func shop(n int) box {
	return box{
		id: fmt.Sprintf("%064x", n), name: fmt.Sprintf("shop-%d", n), image: "shop:1.4", started: "2026-01-02T03:04:06Z",
		env: []string{"SERVICE_NAME=shop.example.com"}, ports: []string{fmt.Sprintf("80=0.0.0.0:%d", 30000+n)},
	}
}
