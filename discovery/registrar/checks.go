package registrar

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/discovery"
)

// unending is the time to live of a check whose state nobody but us changes.
const unending = "87600h"

// attributes are Registrator's: check_http and the like, of one instance. They stand in its Meta.
type attributes struct {
	instance *discovery.Instance
	interval time.Duration // where the instance names none
	scripts  bool
}

// checks returns the checks that the attributes ask for, in a fixed order, each with its definition in Notes. A name that cannot be
// understood is an error: a service whose check is not understood would pass unseen.
func (a attributes) checks() (api.AgentServiceChecks, error) {
	var all api.AgentServiceChecks
	for _, make := range []func() (*api.AgentServiceCheck, error){
		func() (*api.AgentServiceCheck, error) { return a.web("http") },
		func() (*api.AgentServiceCheck, error) { return a.web("https") },
		a.tcp, a.grpc, a.script, a.command, a.ttl,
	} {
		check, err := make()
		if err != nil {
			return nil, err
		}
		if check == nil {
			continue
		}
		if err := a.common(check); err != nil {
			return nil, err
		}
		all = append(all, check)
	}
	if len(all) == 0 && (a.instance.Health == discovery.Critical || a.instance.Health == discovery.Warning) {
		all = append(all, a.source())
	}
	return all, nil
}

func (a attributes) get(name string) string { return strings.TrimSpace(a.instance.Meta["check_"+name]) }

// on reads an attribute that is a switch. Registrator takes any value for yes; no is no here.
func (a attributes) on(name string) bool {
	switch strings.ToLower(a.get(name)) {
	case "", "0", "false", "no", "off":
		return false
	}
	return true
}

// id is the ID of the check of a kind. That of the TTL check is Consul's own for the only check of a service, which applications know.
func (a attributes) id(kind string) string {
	id := "service:" + a.instance.ServiceID
	if kind == "ttl" {
		return id
	}
	return id + ":" + kind
}

func (a attributes) web(scheme string) (*api.AgentServiceCheck, error) {
	path := a.get(scheme)
	if path == "" {
		return nil, nil
	}
	if strings.Contains(path, "://") {
		return nil, fmt.Errorf("check_%s %q: want a path, the address is the instance's", scheme, path)
	}
	target := scheme + "://" + a.instance.HostPort() + "/" + strings.TrimPrefix(path, "/")
	if _, err := url.Parse(target); err != nil {
		return nil, fmt.Errorf("check_%s %q: %w", scheme, path, err)
	}
	method := strings.ToUpper(a.get("http_method"))
	if method == "" {
		method = http.MethodGet
	}
	skip := scheme == "https" && a.on("tls_skip_verify")
	return &api.AgentServiceCheck{
		CheckID: a.id(scheme), HTTP: target, Method: method, TLSSkipVerify: skip,
		Notes: strings.ToUpper(scheme) + " " + method + " " + target + unverified(skip),
	}, nil
}

func (a attributes) tcp() (*api.AgentServiceCheck, error) {
	if !a.on("tcp") {
		return nil, nil
	}
	target := a.instance.HostPort()
	return &api.AgentServiceCheck{CheckID: a.id("tcp"), TCP: target, Notes: "TCP " + target}, nil
}

// grpc asks the standard health service; a value that begins with a slash names the service to ask for.
func (a attributes) grpc() (*api.AgentServiceCheck, error) {
	if !a.on("grpc") {
		return nil, nil
	}
	target := a.instance.HostPort()
	if service := a.get("grpc"); strings.HasPrefix(service, "/") {
		target += service
	}
	check := &api.AgentServiceCheck{CheckID: a.id("grpc"), GRPC: target, Notes: "gRPC " + target}
	if a.on("grpc_use_tls") {
		check.GRPCUseTLS, check.TLSSkipVerify = true, a.on("tls_skip_verify")
		check.Notes += " with TLS" + unverified(check.TLSSkipVerify)
	}
	return check, nil
}

// script runs on this host, by the agent's user.
func (a attributes) script() (*api.AgentServiceCheck, error) {
	text := a.get("script")
	if text == "" {
		return nil, nil
	}
	if !a.scripts {
		return nil, errors.New("check_script is refused: whoever starts a container would run commands on this host; use check_http or check_tcp, or allow scripts")
	}
	text = strings.NewReplacer("$SERVICE_IP", a.instance.Address, "$SERVICE_PORT", strconv.Itoa(int(a.instance.Port))).Replace(text)
	return &api.AgentServiceCheck{CheckID: a.id("script"), Args: []string{"/bin/sh", "-c", text}, Notes: "script " + digest(text)}, nil
}

// command runs inside the container, by Consul's own Docker check.
func (a attributes) command() (*api.AgentServiceCheck, error) {
	text := a.get("cmd")
	if text == "" {
		return nil, nil
	}
	if !a.scripts {
		return nil, errors.New("check_cmd is refused: it needs Consul to reach the Docker engine; use the image's HEALTHCHECK, check_http or check_tcp, or allow scripts")
	}
	container := a.instance.Meta[discovery.MetaContainer]
	if container == "" {
		return nil, errors.New("check_cmd: the instance names no container to run it in")
	}
	return &api.AgentServiceCheck{
		CheckID: a.id("cmd"), DockerContainerID: container, Shell: "/bin/sh", Args: []string{"/bin/sh", "-c", text},
		Notes: "command " + digest(text) + " in container " + container,
	}, nil
}

// ttl is passed by the application itself, which knows better than we whether it works.
func (a attributes) ttl() (*api.AgentServiceCheck, error) {
	if a.get("ttl") == "" {
		return nil, nil
	}
	life, err := a.duration("ttl", 0)
	if err != nil {
		return nil, err
	}
	return &api.AgentServiceCheck{CheckID: a.id("ttl"), TTL: life.String(), Notes: "TTL " + life.String() + ", passed by the application"}, nil
}

// source is the check of an instance that its source calls bad and that has no check of its own. It exists as long as that lasts, and
// its ID names the state: a changed state is another check, and nothing is ever written to keep one alive.
func (a attributes) source() *api.AgentServiceCheck {
	state := a.instance.Health.String()
	notes := "the source says " + state
	if a.instance.HealthNote != "" {
		notes += ": " + a.instance.HealthNote
	}
	return &api.AgentServiceCheck{CheckID: a.id(sourceKind + state), Name: "Health by its source", TTL: unending, Status: state, Notes: notes}
}

const sourceKind = "source-"

// common adds what all checks by attributes have.
func (a attributes) common(check *api.AgentServiceCheck) error {
	check.Name = "Check of " + a.instance.Service
	check.Status = api.HealthCritical
	if status := strings.ToLower(a.get("initial_status")); status != "" {
		if status != api.HealthPassing && status != api.HealthWarning && status != api.HealthCritical {
			return fmt.Errorf("check_initial_status %q: want passing, warning or critical", status)
		}
		check.Status = status
	}
	if check.TTL == "" {
		if a.instance.Port == 0 && check.Args == nil {
			return errors.New("a check is asked for, but the instance has no port")
		}
		interval, err := a.duration("interval", a.interval)
		if err != nil {
			return err
		}
		timeout, err := a.duration("timeout", 0)
		if err != nil {
			return err
		}
		check.Interval = interval.String()
		check.Notes += ", every " + check.Interval
		if timeout > 0 {
			check.Timeout = timeout.String()
			check.Notes += ", time-out " + check.Timeout
		}
	}
	after, err := a.duration("deregister_after", 0)
	if err != nil {
		return err
	}
	if after > 0 {
		check.DeregisterCriticalServiceAfter = after.String()
		check.Notes += ", deregistered after " + after.String()
	}
	return nil
}

// duration reads a time with its unit, or returns what is used where there is none.
func (a attributes) duration(name string, otherwise time.Duration) (time.Duration, error) {
	text := a.get(name)
	if text == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("check_%s %q: want a time with its unit, as in 15s", name, text)
	}
	return d, nil
}

func unverified(skip bool) string {
	if skip {
		return " (certificate not verified)"
	}
	return ""
}

// digest stands for a text that may hold secrets.
func digest(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:12] }
