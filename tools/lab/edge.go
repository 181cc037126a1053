package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Edge is a fairlead process of its own, with its own folders.
type Edge struct {
	// Admin is the base URL of its admin endpoint.
	Admin string
	// Dir holds its configuration, data and log.
	Dir string
	// Env is what its environment has beside this process's, as NAME=VALUE; Descriptors the most it may have, 0 for as many as this one.
	Env         []string
	Descriptors int

	tb     TB
	binary string
	args   []string
	cmd    *exec.Cmd
	log    *logBuffer
	exited chan struct{}
	err    error
}

// NewEdge prepares a fairlead process without starting it. The configuration's {ADMIN} is replaced by its admin address.
func NewEdge(tb TB, caddyfile string) *Edge {
	tb.Helper()
	return newEdge(tb, Binary(tb), caddyfile)
}

// StartStock starts stock Caddy, which has its standard modules only, to be compared with. It is an Edge in all but that.
func StartStock(tb TB, caddyfile string) *Edge {
	tb.Helper()
	e := newEdge(tb, StockBinary(tb), caddyfile)
	e.Start()
	return e
}

func newEdge(tb TB, binary, caddyfile string) *Edge {
	tb.Helper()
	e := newProcess(tb, binary)
	e.args = []string{"run", "--config", e.config(), "--adapter", "caddyfile"}
	e.WriteConfig(caddyfile)
	return e
}

// LaunchCommand starts a fairlead process of another command than run, which takes the flag --admin, and waits for nothing: WriteConfig,
// Reload and Start are not for it.
func LaunchCommand(tb TB, args ...string) *Edge {
	tb.Helper()
	e := newProcess(tb, Binary(tb))
	e.args = append(args, "--admin", strings.TrimPrefix(e.Admin, "http://"))
	if err := e.Launch(); err != nil {
		tb.Fatalf("starting fairlead %s: %v", args[0], err)
	}
	return e
}

func newProcess(tb TB, binary string) *Edge {
	tb.Helper()
	e := &Edge{tb: tb, binary: binary, Dir: tb.TempDir(), log: new(logBuffer)}
	e.Admin = fmt.Sprintf("http://127.0.0.1:%d", FreePort(tb))
	tb.Cleanup(func() {
		e.Kill()
		if tb.Failed() {
			log := withoutAdmin(e.Log())
			tb.Logf("fairlead's log:\n%s", log[max(0, len(log)-8000):])
		}
	})
	return e
}

// StartEdge starts a fairlead process and waits until it has loaded its configuration.
func StartEdge(tb TB, caddyfile string) *Edge {
	tb.Helper()
	e := NewEdge(tb, caddyfile)
	e.Start()
	return e
}

// WriteConfig replaces the configuration file; Reload makes it count.
func (e *Edge) WriteConfig(caddyfile string) {
	e.tb.Helper()
	text := strings.ReplaceAll(caddyfile, "{ADMIN}", strings.TrimPrefix(e.Admin, "http://"))
	if err := os.WriteFile(e.config(), []byte(text), 0o600); err != nil {
		e.tb.Fatalf("writing the configuration: %v", err)
	}
}

func (e *Edge) config() string { return filepath.Join(e.Dir, "Caddyfile") }

// Start starts the process and waits until its configuration is loaded; a process that ends before that fails the test.
func (e *Edge) Start() {
	e.tb.Helper()
	if err := e.Launch(); err != nil {
		e.tb.Fatalf("starting fairlead: %v", err)
	}
	if err := e.WaitLoaded(30 * time.Second); err != nil {
		e.tb.Fatalf("starting fairlead: %v\n%s", err, e.log.Tail(8000))
	}
}

// Launch starts the process without waiting for anything.
func (e *Edge) Launch() error {
	cmd := exec.Command(e.binary, e.args...)
	if e.Descriptors > 0 {
		cmd = exec.Command("sh", append([]string{"-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, e.Descriptors)}, cmd.Args...)...)
	}
	cmd.Env = append(os.Environ(), "HOME="+e.Dir, "XDG_DATA_HOME="+filepath.Join(e.Dir, "data"), "XDG_CONFIG_HOME="+filepath.Join(e.Dir, "config"))
	cmd.Env = append(cmd.Env, e.Env...)
	cmd.Stdout, cmd.Stderr = e.log, e.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	exited, started := make(chan struct{}), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the signal comes when the thread ends that has started the process
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		e.err = cmd.Wait()
		close(exited)
	}()
	if err := <-started; err != nil {
		return err
	}
	e.cmd, e.exited = cmd, exited
	return nil
}

// WaitLoaded waits until the admin endpoint shows a configuration.
func (e *Edge) WaitLoaded(within time.Duration) error {
	deadline := time.Now().Add(within)
	for time.Now().Before(deadline) {
		select {
		case <-e.exited:
			return fmt.Errorf("it ended: %w", e.err)
		default:
		}
		if body, err := e.Get("/config/apps/http/servers"); err == nil && len(body) > 5 {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return errors.New("its configuration did not load in time")
}

// Reload loads the configuration file into the running process.
func (e *Edge) Reload() error {
	text, err := os.ReadFile(e.config())
	if err != nil {
		return err
	}
	req, err := http.NewRequest("POST", e.Admin+"/load", bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/caddyfile")
	req.Header.Set("Cache-Control", "must-revalidate") // loads it even if it did not change
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("loading the configuration: %s: %s", resp.Status, body)
	}
	return nil
}

// Get reads a path of the admin endpoint; a status other than 200 is an error.
func (e *Edge) Get(path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return Fetch(ctx, e.Admin+path)
}

// Fetch reads what a URL answers; a status other than 200 is an error.
func Fetch(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, resp.Status, body)
	}
	return body, err
}

// GetJSON reads a path of the admin endpoint into v.
func (e *Edge) GetJSON(path string, v any) error {
	body, err := e.Get(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}

// PID returns the process's number.
func (e *Edge) PID() int { return e.cmd.Process.Pid }

// Signal sends a signal to the process.
func (e *Edge) Signal(s os.Signal) error { return e.cmd.Process.Signal(s) }

// Wait waits until the process has ended.
func (e *Edge) Wait(within time.Duration) error {
	select {
	case <-e.exited:
		return e.err
	case <-time.After(within):
		return errors.New("it has not ended in time")
	}
}

// Kill ends the process at once, if it runs.
func (e *Edge) Kill() {
	if e.cmd == nil {
		return
	}
	_ = e.cmd.Process.Kill() // fails only if it has ended
	<-e.exited
}

// Log returns what the process has logged so far.
func (e *Edge) Log() string { return e.log.Tail(1 << 30) }

// withoutAdmin drops the lines about requests to the admin endpoint: a test that waits asks there hundreds of times.
func withoutAdmin(log string) string {
	var rest strings.Builder
	for line := range strings.Lines(log) {
		if !strings.Contains(line, `"logger":"admin.api","msg":"received request"`) {
			rest.WriteString(line)
		}
	}
	return rest.String()
}

// logBuffer keeps what a process writes.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// Tail returns the last n bytes.
func (b *logBuffer) Tail(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.buf.Bytes()
	return string(all[max(0, len(all)-n):])
}
