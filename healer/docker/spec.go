package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/go-connections/nat"

	"github.com/fairlead/fairlead/healer"
)

// spec is what a container is made from.
type spec struct {
	Config *container.Config
	Host   *container.HostConfig
}

// specOf says how a copy of the service is run in a place. Logging is the engine's default.
func (r *Runtime) specOf(s *healer.Service, p place) (spec, error) {
	made := spec{
		Config: &container.Config{Image: s.Run.Image, Cmd: s.Run.Command, Env: environment(s.Run.Env), Labels: serviceLabels(s)},
		Host:   &container.HostConfig{RestartPolicy: r.restartPolicy(), Mounts: mounts(s.Run.Mounts)},
	}
	if s.Run.Port != 0 {
		port := nat.Port(strconv.Itoa(int(s.Run.Port)) + "/tcp")
		made.Config.ExposedPorts = nat.PortSet{port: {}}
		made.Host.PortBindings = nat.PortMap{port: {{HostIP: r.config.Publish}}} // no host port: the engine chooses one
	}
	// The place and the fingerprint come last: no label of the service's own stands in for them.
	print, err := fingerprint(made)
	if err != nil {
		return spec{}, fmt.Errorf("describing a container of %s: %w", s.Domain, err)
	}
	maps.Copy(made.Config.Labels, p.labels(r.config.Owner))
	made.Config.Labels[labelSpec] = print
	return made, nil
}

func (r *Runtime) restartPolicy() container.RestartPolicy {
	if r.config.Restarts == 0 {
		return container.RestartPolicy{Name: container.RestartPolicyDisabled}
	}
	return container.RestartPolicy{Name: container.RestartPolicyOnFailure, MaximumRetryCount: r.config.Restarts}
}

func fingerprint(s spec) (string, error) {
	document, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(document)
	return hex.EncodeToString(sum[:8]), nil
}

func environment(env map[string]string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// serviceLabels are the service's own labels, and what registers the copy under its domain unless the service says how itself. A
// wildcard is claimed by Meta (SERVICE_DOMAIN), as no service can be called one.
func serviceLabels(s *healer.Service) map[string]string {
	labels := map[string]string{}
	for name, value := range s.Run.Labels {
		if !strings.HasPrefix(name, labelPrefix) {
			labels[name] = value
		}
	}
	if s.StopsItself() && labels[healer.SelfStopLabel] == "" && s.Run.Env[healer.SelfStopLabel] == "" {
		labels[healer.SelfStopLabel] = healer.SelfStopAfter
	}
	for _, name := range []string{"SERVICE_NAME", "SERVICE_" + strconv.Itoa(int(s.Run.Port)) + "_NAME"} {
		if s.Run.Labels[name] != "" || s.Run.Env[name] != "" {
			return labels
		}
	}
	if base, wild := strings.CutPrefix(s.Domain, "*."); wild {
		labels["SERVICE_NAME"] = "wildcard-" + strings.ReplaceAll(base, ".", "-")
		labels["SERVICE_DOMAIN"] = s.Domain
		return labels
	}
	labels["SERVICE_NAME"] = s.Domain
	return labels
}

// mounts binds folders by their path, and volumes by their name. A folder that is not there is an error of the engine's.
func mounts(list []healer.Mount) []mount.Mount {
	var made []mount.Mount
	for _, m := range list {
		kind := mount.TypeVolume
		if path.IsAbs(m.Source) {
			kind = mount.TypeBind
		}
		made = append(made, mount.Mount{Type: kind, Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly})
	}
	return made
}
