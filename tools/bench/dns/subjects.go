package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/nameserver"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/tools/consul"
	"github.com/fairlead/fairlead/tools/lab"
)

// address returns the address of one of a domain's three members.
func address(domain, member int) string { return fmt.Sprintf("10.%d.0.%d", domain, member+1) }

// startFairlead starts this program as a nameserver.
func startFairlead(tb lab.TB) *subject {
	self, err := os.Executable()
	if err != nil {
		tb.Fatalf("looking for this program: %v", err)
	}
	s := newSubject(tb, "fairlead", "example.com")
	s.run(tb, self, "-serve", s.addr)
	return s
}

// serveTable serves a static table until it is interrupted.
func serveTable(addr string) error {
	services := map[string]*discovery.Service{}
	for i := range domains {
		name := fmt.Sprintf("s%03d.example.com", i)
		services[name] = &discovery.Service{Name: name}
		for j := range 3 {
			id := fmt.Sprint("s", i, "-", j)
			services[name].Instances = append(services[name].Instances, discovery.Instance{ID: discovery.InstanceID("live", "bench", id),
				Cluster: "live", Node: "bench", Service: name, ServiceID: id, Address: address(i, j), Port: 80})
		}
	}
	snapshot, _ := pool.Build(nil, pool.Input{Now: time.Now(), Meters: pool.NewMeters(), Clusters: []pool.ClusterInput{{
		Config: pool.ClusterConfig{Name: "live"}, Facts: &discovery.Facts{Cluster: "live", Version: 1, Ready: true, Services: services}}}})
	table := pool.NewTable()
	table.Store(snapshot)
	udp, err := net.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := nameserver.New(table, nameserver.Options{}).Serve(ctx, []net.PacketConn{udp}, nil); ctx.Err() == nil {
		return err
	}
	return nil
}

// startCoreDNS builds CoreDNS from its recipe and starts it with a hosts file of the same names.
func startCoreDNS(tb lab.TB) *subject {
	s := newSubject(tb, "CoreDNS hosts", "example.com")
	dir := tb.TempDir()
	binary := filepath.Join(dir, "coredns")
	_, file, _, _ := runtime.Caller(0)
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = filepath.Join(filepath.Dir(file), "..", "..", "coredns")
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("building CoreDNS: %v\n%s", err, out)
	}
	var hosts strings.Builder
	for i := range domains {
		for j := range 3 {
			fmt.Fprintf(&hosts, "%s s%03d.example.com\n", address(i, j), i)
		}
	}
	host, port, _ := strings.Cut(s.addr, ":")
	corefile := fmt.Sprintf("dns://.:%s {\n\tbind %s\n\thosts %s\n}\n", port, host, filepath.Join(dir, "hosts"))
	write(tb, filepath.Join(dir, "hosts"), hosts.String())
	write(tb, filepath.Join(dir, "Corefile"), corefile)
	s.run(tb, binary, "-conf", filepath.Join(dir, "Corefile"), "-quiet")
	return s
}

// startConsul starts a Consul server in memory with services of the same number and size.
func startConsul(tb lab.TB) *subject {
	s := newSubject(tb, "Consul DNS", "service.consul")
	binary, err := consul.Binary()
	if err != nil {
		tb.Fatalf("%v", err)
	}
	type service struct {
		ID      string `json:"id"`
		Name    string `json:"name"`
		Address string `json:"address"`
		Port    int    `json:"port"`
	}
	var services []service
	for i := range domains {
		for j := range 3 {
			services = append(services, service{fmt.Sprintf("s%03d-%d", i, j), fmt.Sprintf("s%03d", i), address(i, j), 80})
		}
	}
	_, port, _ := strings.Cut(s.addr, ":")
	config, err := json.Marshal(map[string]any{"services": services, "node_name": "bench", "disable_update_check": true, "bind_addr": "127.0.0.1",
		"ports": map[string]any{"dns": json.Number(port), "http": lab.FreePort(tb), "server": lab.FreePort(tb), "serf_lan": lab.FreePort(tb),
			"serf_wan": -1, "grpc": -1, "grpc_tls": -1}})
	if err != nil {
		tb.Fatalf("writing Consul's configuration: %v", err)
	}
	file := filepath.Join(tb.TempDir(), "consul.json")
	write(tb, file, string(config))
	s.run(tb, binary, "agent", "-dev", "-log-level=error", "-config-file="+file)
	return s
}

func newSubject(tb lab.TB, name, suffix string) *subject {
	return &subject{name: name, suffix: suffix, addr: fmt.Sprintf("127.0.0.1:%d", lab.FreePort(tb))}
}

// run starts the subject's process, which is killed at the end.
func (s *subject) run(tb lab.TB, binary string, args ...string) {
	s.cmd = exec.Command(binary, args...)
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		tb.Fatalf("starting %s: %v", s.name, err)
	}
	tb.Cleanup(func() {
		s.cmd.Process.Kill()
		s.cmd.Wait()
	})
}

// awaitAnswers waits until the last domain has its three addresses.
func awaitAnswers(ctx context.Context, tb lab.TB, s *subject) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	question := new(dns.Msg).SetQuestion(fmt.Sprintf("s%03d.%s.", domains-1, s.suffix), dns.TypeA)
	for {
		reply, err := dns.ExchangeContext(ctx, question, s.addr)
		if err == nil && len(reply.Answer) == 3 {
			return
		}
		select {
		case <-ctx.Done():
			tb.Fatalf("%s does not answer: %v, %v", s.name, reply, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func write(tb lab.TB, file, text string) {
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatalf("writing %s: %v", file, err)
	}
}
