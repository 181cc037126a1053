package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// run runs a command of the program and returns what it prints.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.Command(lab.Binary(t), args...).CombinedOutput()
	return string(out), err
}

func TestCommands(t *testing.T) {
	one, two := lab.StartBackend(t, "one", nil), lab.StartBackend(t, "two", nil)
	file := filepath.Join(t.TempDir(), "catalog.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, `{"services": {"shop.example.com": [
		{"id": "one", "address": "127.0.0.1", "port": %d, "meta": {"fairlead_policy": "least_conn", "fairlead_poilcy": "hash"}},
		{"id": "two", "address": "127.0.0.1", "port": %d}
	]}}`, one.Port, two.Port), 0o600); err != nil {
		t.Fatal(err)
	}
	e := lab.StartEdge(t, fmt.Sprintf(`{
	admin {ADMIN}
	fairlead {
		cluster live {
			file %s
		}
		cluster test {
			prefix test.
			allow 192.0.2.1
			file %s
		}
	}
}
http://:%d {
	fairlead
}
`, file, writeCatalog(t, nil), lab.FreePort(t)))
	address := "--address=" + strings.TrimPrefix(e.Admin, "http://")
	for _, c := range []struct {
		args string
		fail bool
		want []string
	}{
		{args: "explain shop.example.com", want: []string{"ok, status 200", "live/static/one", "live/static/two", "→"}},
		{args: "explain test.shop.example.com", want: []string{"denied, status 403", "not on its access list"}},
		{args: "explain test.shop.example.com --client 192.0.2.1", want: []string{"no_domain, status 404"}},
		{args: "explain shop.example.com --json", want: []string{`"code": "ok"`}},
		{args: "explain shop.example.com --client me", fail: true, want: []string{`client "me" is no IP address`}},
		{args: "pools", want: []string{"CLUSTER", "live", "shop.example.com"}},
		{args: "pools --cluster none", fail: true, want: []string{`no cluster is named "none"`}},
		{args: "sources", want: []string{"live", "test", "static " + file}},
		{args: "drain live/static/one", fail: true, want: []string{"say why"}},
		{args: "drain live/static/one --reason disk --for 1h --author kim", want: []string{"drain live/static/one at 127.0.0.1"}},
		{args: "explain shop.example.com", want: []string{"draining by order of kim: disk"}},
		{args: "weight static/two 7 --cluster live --reason try", want: []string{"weight live/static/two"}},
		{args: "explain shop.example.com", want: []string{"weight 7 by order of", "setting: policy least_conn, from meta of service shop.example.com",
			`problem: meta of service shop.example.com: unknown setting "poilcy"`, "problem: fairlead_policy: copies of the service differ"}},
		{args: "weight live/static/two many --reason try", fail: true, want: []string{`weight "many" is no number`}},
		{args: "disable live/static/none --reason try", fail: true, want: []string{"live/static/none"}},
		{args: "undo static/one --cluster live", want: []string{"taken back: drain live/static/one, ordered by kim: disk"}},
		{args: "undo live/static/one", fail: true, want: []string{"no override is set"}},
		{args: "sources accept", fail: true, want: []string{"name the cluster"}},
		{args: "sources accept --cluster live", want: []string{"0 instances of all services let go"}},
		{args: "sources refuse", fail: true, want: []string{`invalid argument "refuse"`}},
	} {
		out, err := run(t, append(strings.Fields(c.args), address)...)
		if (err != nil) != c.fail {
			t.Errorf("fairlead %s: %v\n%s", c.args, err, out)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("fairlead %s prints\n%s\nwant %q", c.args, out, want)
			}
		}
	}
	if out, err := run(t, "pools", fmt.Sprintf("--address=127.0.0.1:%d", lab.FreePort(t))); err == nil || !strings.Contains(out, "is Fairlead running") {
		t.Errorf("asking nobody: %v %s", err, out)
	}
}

func TestTheProgramIsFairlead(t *testing.T) {
	if out, err := run(t, "version"); err != nil || !strings.HasPrefix(out, "Fairlead ") || !strings.Contains(out, "Caddy v2") {
		t.Errorf("version: %v %s", err, out)
	}
	help, err := run(t, "--help")
	if err != nil || !strings.Contains(help, "fairlead demo") {
		t.Errorf("help: %v\n%s", err, help)
	}
	for _, off := range []string{"upgrade", "add-package", "remove-package"} {
		if regexp.MustCompile(`(?m)^  ` + off + ` `).MatchString(help) {
			t.Errorf("help lists %s", off)
		}
		if out, err := run(t, off, "x"); err == nil || !strings.Contains(out, "would replace Fairlead") {
			t.Errorf("%s: %v %s", off, err, out)
		}
	}
}

// TestDemo does what the demo says one can try.
func TestDemo(t *testing.T) {
	proxy, dns, admin := fmt.Sprintf("127.0.0.1:%d", lab.FreePort(t)), fmt.Sprintf("127.0.0.1:%d", lab.FreePort(t)), fmt.Sprintf("127.0.0.1:%d", lab.FreePort(t))
	temp := t.TempDir()
	cmd := exec.Command(lab.Binary(t), "demo", "--listen", proxy, "--dns", dns, "--admin", admin)
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "HOME="+temp, "XDG_DATA_HOME="+temp, "XDG_CONFIG_HOME="+temp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() // fails if it has ended
	var told strings.Builder
	for lines := bufio.NewScanner(out); !strings.Contains(told.String(), "Ctrl-C") && lines.Scan(); {
		told.WriteString(lines.Text() + "\n")
	}
	get := func(host string) string {
		t.Helper()
		request, err := http.NewRequest("GET", "http://"+proxy+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatalf("%v; the demo said\n%s", err, told.String())
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != 200 {
			return fmt.Sprintf("%d %s %v", response.StatusCode, body, err)
		}
		return string(body)
	}
	stops := regexp.MustCompile(`curl -X POST (\S+)`).FindAllStringSubmatch(told.String(), -1)
	if len(stops) != 4 {
		t.Fatalf("the demo says how to stop %d backends:\n%s", len(stops), told.String())
	}
	stop := func(url string) {
		t.Helper()
		response, err := http.Post(url, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	seen := map[string]bool{}
	for range 6 {
		seen[strings.Fields(get("shop.example.com"))[0]] = true
	}
	if len(seen) != 3 {
		t.Errorf("the shop is served by %v", seen)
	}
	if got := get("test.shop.example.com"); !strings.HasPrefix(got, "shop-test ") {
		t.Errorf("the twin answers %s", got)
	}
	stop(stops[1][1])
	for range 20 {
		if got := get("shop.example.com"); !strings.HasPrefix(got, "shop-") {
			t.Errorf("after a copy has stopped, the shop answers %s", got)
		}
	}
	if got := get("db.example.com"); !strings.HasPrefix(got, "db-1 (master)") {
		t.Errorf("the database answers %s", got)
	}
	stop(stops[0][1])
	for deadline := time.Now().Add(10 * time.Second); !strings.HasPrefix(get("db.example.com"), "db-2 (slave)"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the slave does not take over: %s", get("db.example.com"))
		}
	}
	if out, err := run(t, "pools", "--address", admin); err != nil || !strings.Contains(out, "db.example.com") {
		t.Errorf("pools: %v %s", err, out)
	}
	if _, err := exec.LookPath("dig"); err == nil {
		out, err := exec.Command("dig", "@127.0.0.1", "-p", dns[len("127.0.0.1:"):], "shop.example.com", "SRV", "+short").CombinedOutput()
		if err != nil || strings.Count(string(out), "\n") < 2 {
			t.Errorf("dig: %v %s", err, out)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the demo ends with %v", err)
	}
	left, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		if strings.HasPrefix(entry.Name(), "fairlead-demo") {
			t.Errorf("the demo leaves %s", entry.Name())
		}
	}
}
