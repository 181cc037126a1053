package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead/fairlead/tools/consul"
	"github.com/fairlead/fairlead/tools/lab"
)

// elsewhere are the commands of the README that are run by other means than TestREADME: the test command by .ci/run, which takes it
// from there, those of the example by TestREADMEOnARealConsul, and that of a Docker host by TestContainersAreServedWithoutConsul.
var elsewhere = []string{
	"go test ./...",
	exampleCommand,
	registerCommand,
	"go run ./cmd/fairlead local",
}

const (
	demoCommand     = "go run ./cmd/fairlead demo"
	explainCommand  = "go run ./cmd/fairlead explain "
	exampleCommand  = "go run ./cmd/fairlead run --config Caddyfile.example"
	registerCommand = "consul services register -name=shop.example.com -address=127.0.0.1 -port=32768"
)

// demoPorts are where the demo listens unless told otherwise, and by which flag it is told.
var demoPorts = []struct{ port, flag string }{{"8080", "--listen"}, {"8600", "--dns"}, {"2019", "--admin"}}

// TestREADME runs the demo, and against it every line to try, on ports of its own. A command that nobody runs fails the test.
func TestREADME(t *testing.T) {
	var tries []string
	for _, command := range shellLines(page(t, "README.md")) {
		switch {
		case command == demoCommand, slices.Contains(elsewhere, command):
		case strings.HasPrefix(command, "curl "), strings.HasPrefix(command, "dig "), strings.HasPrefix(command, explainCommand):
			tries = append(tries, command)
		default:
			t.Errorf("no test runs %q", command)
		}
	}
	if len(tries) < 3 {
		t.Fatalf("the README has %d lines to try", len(tries))
	}
	moved := startDemo(t)
	for _, try := range tries {
		t.Run(try, func(t *testing.T) {
			lab.Require(t, strings.Fields(try)[0]) // go is there
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			line := strings.NewReplacer(
				"curl ", "curl --silent --show-error --fail ",
				explainCommand, lab.Binary(t)+" explain --address "+moved.Replace("127.0.0.1:2019")+" ",
			).Replace(moved.Replace(try))
			out, err := exec.CommandContext(ctx, "sh", "-c", line).CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) == "" {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
		})
	}
}

// startDemo runs the demo until the test ends, and returns what moves an address of the README to where it listens.
func startDemo(t *testing.T) *strings.Replacer {
	t.Helper()
	arguments, moves, admin := []string{"demo"}, []string{}, ""
	for _, p := range demoPorts {
		to := fmt.Sprint(lab.FreePort(t))
		arguments = append(arguments, p.flag, "127.0.0.1:"+to)
		moves = append(moves, p.port, to)
		admin = "127.0.0.1:" + to // the last one
	}
	startProgram(t, t.TempDir(), admin, arguments...)
	return strings.NewReplacer(moves...)
}

// startProgram runs the program in a folder of its own until the test ends, and returns when it is ready.
func startProgram(t *testing.T, home, admin string, arguments ...string) {
	t.Helper()
	program := exec.Command(lab.Binary(t), arguments...)
	program.Dir = home
	program.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home, "CADDY_ADMIN="+admin)
	var out strings.Builder
	program.Stdout, program.Stderr = &out, &out
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		program.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(20*time.Second, func() { program.Process.Kill() })
		defer late.Stop()
		if err := program.Wait(); err != nil || t.Failed() {
			t.Errorf("fairlead %s ended: %v\n%s", arguments[0], err, &out)
		}
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		answer, err := http.Get("http://" + admin + "/fairlead/ready")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("fairlead %s is not ready: %v", arguments[0], err)
		}
	}
}

// TestREADMEOnARealConsul follows the section of that name, with real agents and the example's ports moved to free ones.
func TestREADMEOnARealConsul(t *testing.T) {
	t.Parallel() // most of it is waiting for the program to drain
	lab.Require(t, "curl")
	live, twin := consul.Start(t, consul.Options{}), consul.Start(t, consul.Options{})
	binary, err := consul.Binary()
	if err != nil {
		t.Fatal(err)
	}
	backend, admin, home := lab.StartBackend(t, "shop", nil), fmt.Sprintf("127.0.0.1:%d", lab.FreePort(t)), t.TempDir()
	moved := strings.NewReplacer(
		"127.0.0.1:8500", live.HTTP, "127.0.0.1:8501", twin.HTTP, "127.0.0.1:8600", fmt.Sprintf("127.0.0.1:%d", lab.FreePort(t)),
		":8080", fmt.Sprintf(":%d", lab.FreePort(t)), "-port=32768", fmt.Sprintf("-port=%d", backend.Port),
	)
	if err := os.WriteFile(filepath.Join(home, "Caddyfile.example"), []byte(moved.Replace(page(t, "Caddyfile.example"))), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(home, "consul")); err != nil {
		t.Fatal(err)
	}
	shell := func(line string) (string, error) {
		command := exec.CommandContext(t.Context(), "sh", "-c", line)
		// Consul's command goes to 127.0.0.1:8500 unless told otherwise.
		command.Env = append(os.Environ(), "PATH="+home+":"+os.Getenv("PATH"), "CONSUL_HTTP_ADDR="+live.HTTP)
		out, err := command.CombinedOutput()
		return string(out), err
	}

	_, section, _ := strings.Cut(page(t, "README.md"), "\n## On a real Consul\n")
	section, _, _ = strings.Cut(section, "\n## ")
	commands := shellLines(section)
	if len(commands) != 3 || commands[0] != exampleCommand || commands[1] != registerCommand {
		t.Fatalf("the section has the commands %q", commands)
	}
	startProgram(t, home, admin, strings.Fields(exampleCommand)[3:]...)
	if out, err := shell(moved.Replace(registerCommand)); err != nil {
		t.Fatalf("%s: %v\n%s", registerCommand, err, out)
	}
	asking := strings.Replace(moved.Replace(commands[2]), "curl ", "curl --silent --show-error --fail --retry 5 --retry-all-errors ", 1)
	if out, err := shell(asking); err != nil || out != "shop\n" {
		t.Errorf("%s: %v\n%s", asking, err, out)
	}
}

// shellLines returns the commands of a page's sh blocks.
func shellLines(text string) (lines []string) {
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[1]) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}
