package docker

import (
	"reflect"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/go-connections/nat"

	"github.com/fairlead/fairlead/healer"
)

func TestSpecOf(t *testing.T) {
	r, err := New(Config{Owner: "anna", Publish: "127.0.0.1", Restarts: 3})
	if err != nil {
		t.Fatal(err)
	}
	made, err := r.specOf(&healer.Service{Domain: "db.example.com", Count: 2, Run: healer.Run{
		Image: "db:1.4", Port: 6379, Command: []string{"--fast"}, Env: map[string]string{"B": "2", "A": "1"},
		Labels: map[string]string{"team": "web", "io.fairlead.owner": "somebody", "io.fairlead.other": "x"},
		Mounts: []healer.Mount{{Source: "/srv/db", Target: "/data", ReadOnly: true}, {Source: "cache", Target: "/cache"}},
	}}, place{"db.example.com", 1, 2})
	if err != nil {
		t.Fatal(err)
	}
	print := made.Config.Labels[labelSpec]
	if len(print) != 16 {
		t.Errorf("the fingerprint is %q", print)
	}
	want := spec{
		Config: &container.Config{Image: "db:1.4", Cmd: []string{"--fast"}, Env: []string{"A=1", "B=2"},
			ExposedPorts: nat.PortSet{"6379/tcp": {}},
			Labels: map[string]string{"team": "web", "SERVICE_NAME": "db.example.com", labelDomain: "db.example.com",
				labelSlot: "1", labelGeneration: "2", labelOwner: "anna", labelSpec: print}},
		Host: &container.HostConfig{
			RestartPolicy: container.RestartPolicy{Name: "on-failure", MaximumRetryCount: 3},
			PortBindings:  nat.PortMap{"6379/tcp": {{HostIP: "127.0.0.1"}}},
			Mounts: []mount.Mount{{Type: mount.TypeBind, Source: "/srv/db", Target: "/data", ReadOnly: true},
				{Type: mount.TypeVolume, Source: "cache", Target: "/cache"}},
		},
	}
	if !reflect.DeepEqual(made, want) {
		t.Errorf("made %+v %+v\nwant %+v %+v", made.Config, made.Host, want.Config, want.Host)
	}
}

// Copies that are to stop by themselves say so, unless the service says how itself.
func TestSelfStopLabel(t *testing.T) {
	for _, c := range []struct {
		name        string
		onPartition string
		run         healer.Run
		want        string
	}{
		{"built in", "self_stop", healer.Run{}, "60s"},
		{"by a label", "self_stop", healer.Run{Labels: map[string]string{"SERVICE_SELF_STOP": "20s"}}, "20s"},
		{"by the environment", "self_stop", healer.Run{Env: map[string]string{"SERVICE_SELF_STOP": "20s"}}, ""},
		{"not", "hold", healer.Run{}, ""},
	} {
		got := serviceLabels(&healer.Service{Domain: "a.example", OnPartition: c.onPartition, Run: c.run})["SERVICE_SELF_STOP"]
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestServiceLabels(t *testing.T) {
	for _, c := range []struct {
		name   string
		domain string
		run    healer.Run
		want   map[string]string
	}{
		{"plain", "a.example", healer.Run{}, map[string]string{"SERVICE_NAME": "a.example"}},
		{"a wildcard", "*.a.example", healer.Run{}, map[string]string{"SERVICE_NAME": "wildcard-a-example", "SERVICE_DOMAIN": "*.a.example"}},
		{"named by a label", "a.example", healer.Run{Labels: map[string]string{"SERVICE_NAME": "a"}}, map[string]string{"SERVICE_NAME": "a"}},
		{"named by the environment", "a.example", healer.Run{Env: map[string]string{"SERVICE_NAME": "a"}}, map[string]string{}},
		{"named by its port", "a.example", healer.Run{Port: 80, Labels: map[string]string{"SERVICE_80_NAME": "a"}}, map[string]string{"SERVICE_80_NAME": "a"}},
		{"another port", "a.example", healer.Run{Port: 80, Labels: map[string]string{"SERVICE_81_NAME": "a"}},
			map[string]string{"SERVICE_81_NAME": "a", "SERVICE_NAME": "a.example"}},
	} {
		if got := serviceLabels(&healer.Service{Domain: c.domain, Run: c.run}); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestRestartPolicyEnds(t *testing.T) {
	r, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if p := r.restartPolicy(); !p.IsNone() {
		t.Errorf("the restart policy is %s", p.Name)
	}
}

func TestConfigRefuses(t *testing.T) {
	for name, c := range map[string]Config{
		"an address":             {Publish: "localhost"},
		"a number of restarts":   {Restarts: -1},
		"the engine's address":   {Engine: Engine{Host: "nowhere"}},
		"the address's protocol": {Engine: Engine{Host: "unix:/var/run/docker.sock"}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func TestEngineIsNamed(t *testing.T) {
	t.Setenv("DOCKER_HOST", "")
	if got := (Engine{}).String(); got != "docker unix:///var/run/docker.sock" {
		t.Errorf("the usual engine is %s", got)
	}
	t.Setenv("DOCKER_HOST", "tcp://192.0.2.1:2376")
	if got := (Engine{}).String(); got != "docker tcp://192.0.2.1:2376" {
		t.Errorf("the environment's engine is %s", got)
	}
	if got := (Engine{Host: "unix:///run/x.sock"}).String(); got != "docker unix:///run/x.sock" {
		t.Errorf("the configured engine is %s", got)
	}
}
