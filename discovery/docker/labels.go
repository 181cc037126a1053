package docker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// prefix begins every environment variable and label that means something here.
const prefix = "SERVICE_"

// labels are what a container's environment and labels say of its services, in Registrator's way. Keys are in lower case and without
// prefix and port.
type labels struct {
	global map[string]string
	byPort map[uint16]map[string]string
	// problem is what makes none of it count: a key that names an impossible port may have been meant for any.
	problem string
}

// readLabels reads the environment first, so that labels win.
func readLabels(env []string, set map[string]string) labels {
	l := labels{global: map[string]string{}, byPort: map[uint16]map[string]string{}}
	for _, pair := range env {
		if key, value, ok := strings.Cut(pair, "="); ok {
			l.read(key, value)
		}
	}
	// Two labels may differ in case only: the order makes it always the same one that wins.
	for _, key := range slices.Sorted(maps.Keys(set)) {
		l.read(key, set[key])
	}
	return l
}

func (l *labels) read(name, value string) {
	key, ours := strings.CutPrefix(name, prefix)
	if !ours || key == "" {
		return
	}
	key = strings.ToLower(key)
	port, rest, ok := strings.Cut(key, "_")
	if _, err := strconv.Atoi(port); !ok || err != nil {
		l.global[key] = value
		return
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		if l.problem == "" {
			l.problem = fmt.Sprintf("%s: %s is not a port from 1 to 65535", name, port)
		}
		return
	}
	if l.byPort[uint16(n)] == nil {
		l.byPort[uint16(n)] = map[string]string{}
	}
	l.byPort[uint16(n)][rest] = value
}

// get returns the value of a key for a port: its own, or the global one. Empty means that nobody says anything.
func (l *labels) get(port uint16, key string) string {
	if value, ok := l.byPort[port][key]; ok {
		return value
	}
	return l.global[key]
}

// ofPort reports whether the port has a value of its own for a key.
func (l *labels) ofPort(port uint16, key string) bool {
	return l.byPort[port][key] != ""
}

// all returns everything that holds for a port.
func (l *labels) all(port uint16) map[string]string {
	all := maps.Clone(l.global)
	maps.Copy(all, l.byPort[port])
	return all
}

// splitTags splits a list at its commas, those behind a backslash aside, and keeps its order. Empty tags are left out.
func splitTags(list string) []string {
	var tags []string
	var tag strings.Builder
	end := func() {
		if tag.Len() > 0 {
			tags = append(tags, tag.String())
		}
		tag.Reset()
	}
	for i := 0; i < len(list); i++ {
		switch {
		case list[i] == '\\' && i+1 < len(list) && list[i+1] == ',':
			tag.WriteByte(',')
			i++
		case list[i] == ',':
			end()
		default:
			tag.WriteByte(list[i])
		}
	}
	end()
	return tags
}
