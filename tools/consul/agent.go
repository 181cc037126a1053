package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/tools/lab"
)

// ManagementToken is the token that may do everything in agents started with ACL.
const ManagementToken = "5a1b7c0e-6f3d-4b58-9f0e-0c1a2b3c4d5e"

// Options say what kind of agent to run.
type Options struct {
	Node string // "node" by default
	// Persistent makes a server that keeps its catalogue over a restart. Otherwise it lives in memory, and a restart empties it.
	Persistent bool
	ACL        bool // switched on, denying by default
	HTTPS      bool // as well as HTTP
	// MaxConns sets limits.http_max_conns_per_client; 0 leaves Consul's default of 200.
	MaxConns int
	// Address puts the agent on a host of its own, at Consul's usual ports; Start starts its process there. By default it is on
	// 127.0.0.1 at free ports.
	Address string
	Start   func(*exec.Cmd) error
	// Datacenter is one of several, which JoinWAN makes known to each other; by default it is alone and called dc1.
	Datacenter string
	// Servers are the addresses of its cluster's servers, its own included, if each has a host of its own.
	Servers []string
	// Settings are more of the configuration file, by their top-level names.
	Settings map[string]any

	expect int      // servers of a cluster
	join   []string // their serf addresses
	serf   int
}

// Agent is a running Consul server agent.
type Agent struct {
	Node   string
	HTTP   string // host:port
	HTTPS  string // host:port, or ""
	CAFile string // what verifies the HTTPS port

	wan string // host:port where other datacenters join, or ""

	client             *api.Client
	binary, dir, token string
	args               []string
	begin              func(*exec.Cmd) error
	cmd                *exec.Cmd
	exited             chan struct{}
}

// Start runs one agent until the test ends, and returns when it has a leader.
func Start(t testing.TB, o Options) *Agent {
	t.Helper()
	a, err := Launch(Require(t), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Kill)
	if err := a.WaitLeader(startTime); err != nil {
		t.Fatalf("%v\n%s", err, a.Log())
	}
	return a
}

// StartCluster runs n servers that elect a leader among them.
func StartCluster(t testing.TB, n int, o Options) []*Agent {
	t.Helper()
	binary := Require(t)
	var serfs []int
	for range n {
		port, err := lab.Port()
		if err != nil {
			t.Fatal(err)
		}
		serfs = append(serfs, port)
		o.join = append(o.join, fmt.Sprintf("127.0.0.1:%d", port))
	}
	o.expect, o.Persistent = n, true
	agents := make([]*Agent, n)
	for i := range agents {
		one := o
		one.Node, one.serf = fmt.Sprintf("server%d", i+1), serfs[i]
		a, err := Launch(binary, t.TempDir(), one)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Kill)
		agents[i] = a
	}
	for _, a := range agents {
		if err := a.WaitLeader(startTime); err != nil {
			t.Fatalf("%v\n%s", err, a.Log())
		}
	}
	return agents
}

// startTime bounds the start of an agent and an election, on a busy machine.
const startTime = time.Minute

// Launch starts an agent with its files in dir and does not wait for it. Its caller ends it with Stop or Kill.
func Launch(binary, dir string, o Options) (*Agent, error) {
	a := &Agent{binary: binary, dir: dir, Node: o.Node, args: []string{"agent", "-config-file", filepath.Join(dir, "agent.json")}}
	if a.begin = o.Start; a.begin == nil {
		a.begin = (*exec.Cmd).Start
	}
	if len(o.Servers) > 0 {
		o.expect, o.join, o.Persistent = len(o.Servers), o.Servers, true
	}
	if !o.Persistent {
		a.args = append(a.args, "-dev")
	}
	if a.Node == "" {
		a.Node = "node"
	}
	config, err := a.configure(o)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("consul's configuration: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "agent.json"), text, 0o600); err != nil {
		return nil, fmt.Errorf("consul's configuration: %w", err)
	}
	a.client, err = api.NewClient(&api.Config{Address: a.HTTP, Scheme: "http", Token: a.token})
	if err != nil {
		return nil, fmt.Errorf("a client for consul: %w", err)
	}
	return a, a.start()
}

func (a *Agent) start() error {
	log, err := os.OpenFile(filepath.Join(a.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("consul's log: %w", err)
	}
	defer log.Close()
	a.cmd = exec.Command(a.binary, a.args...)
	a.cmd.Stdout, a.cmd.Stderr = log, log
	if err := a.begin(a.cmd); err != nil {
		return fmt.Errorf("starting consul: %w", err)
	}
	cmd, exited := a.cmd, make(chan struct{})
	a.exited = exited
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	return nil
}

// PID returns the process ID.
func (a *Agent) PID() int { return a.cmd.Process.Pid }

// Stop ends the agent as an operator does, and waits for it.
func (a *Agent) Stop() { a.end(syscall.SIGTERM) }

// Kill ends the agent at once. An agent that has ended stays so.
func (a *Agent) Kill() { a.end(syscall.SIGKILL) }

func (a *Agent) end(signal syscall.Signal) {
	_ = a.cmd.Process.Signal(signal)
	select {
	case <-a.exited:
	case <-time.After(10 * time.Second):
		_ = a.cmd.Process.Kill()
		<-a.exited
	}
}

// Restart starts an ended agent again, at the same addresses.
func (a *Agent) Restart() error { return a.start() }

// Pause makes the agent a black hole: connections stand and nothing answers.
func (a *Agent) Pause() error { return a.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (a *Agent) Resume() error { return a.cmd.Process.Signal(syscall.SIGCONT) }

// Log returns what the agent wrote, its last 4,000 bytes.
func (a *Agent) Log() string {
	text, _ := os.ReadFile(filepath.Join(a.dir, "log"))
	return string(text[max(0, len(text)-4000):])
}

// Client returns an API client that may do everything. It is one for all, and with it the connections it keeps.
func (a *Agent) Client() *api.Client { return a.client }

// WaitLeader waits until the agent knows a leader and the catalogue has the leader's own node, or for at most so long.
func (a *Agent) WaitLeader(most time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	client := a.Client()
	for {
		nodes, meta, err := client.Catalog().Nodes((&api.QueryOptions{}).WithContext(ctx))
		if err == nil && meta.KnownLeader && len(nodes) > 0 {
			return nil
		}
		select {
		case <-a.exited:
			return errors.New("consul ended")
		case <-ctx.Done():
			return fmt.Errorf("consul has no leader after %s: %w", most, errors.Join(err, ctx.Err()))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// JoinWAN makes two agents' datacenters known to each other, and waits until one reaches the other.
func (a *Agent) JoinWAN(other *Agent, datacenter string) error {
	if err := a.client.Agent().Join(other.wan, true); err != nil {
		return fmt.Errorf("joining datacenter %s: %w", datacenter, err)
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		_, _, err := a.client.Catalog().Services(&api.QueryOptions{Datacenter: datacenter})
		if err == nil {
			return nil
		}
		if time.Since(began) > startTime {
			return fmt.Errorf("reaching datacenter %s: %w", datacenter, err)
		}
	}
}

// IsLeader reports whether the agent is its cluster's leader.
func (a *Agent) IsLeader() (bool, error) {
	r, err := http.NewRequest(http.MethodGet, "http://"+a.HTTP+"/v1/agent/self", nil)
	if err != nil {
		return false, err
	}
	r.Header.Set("X-Consul-Token", a.token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false, fmt.Errorf("asking consul for itself: %w", err)
	}
	defer resp.Body.Close()
	var self struct {
		Stats struct {
			Consul struct {
				Leader string `json:"leader"`
			} `json:"consul"`
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&self); err != nil {
		return false, fmt.Errorf("asking consul for itself: %w", err)
	}
	return self.Stats.Consul.Leader == "true", nil
}
