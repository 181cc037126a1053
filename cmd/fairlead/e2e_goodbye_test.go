package main_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// TestStoppingSaysGoodbyeByTLS stops and reloads a process that has a connection without a request and one with a request under way. A
// reload touches neither; a stop tells the idle one the end, and the other one behind its answer.
func TestStoppingSaysGoodbyeByTLS(t *testing.T) {
	for _, engine := range []string{"loop", "portable"} {
		t.Run(engine, func(t *testing.T) { sayGoodbye(t, engine) })
	}
}

func sayGoodbye(t *testing.T, engine string) {
	begun, release := make(chan struct{}, 1), make(chan struct{})
	shop := lab.StartBackend(t, "shop", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			begun <- struct{}{}
			<-release
		}
		io.WriteString(w, "shop")
	}))
	port := lab.FreePort(t)
	e := lab.StartEdge(t, fmt.Sprintf(`{
	admin {ADMIN}
	skip_install_trust
	http_port %d
	fairlead {
		lane %s
		cluster live {
			file %s
		}
		drain_delay 1ms
		drain_timeout 30s
	}
}
https://shop.example.com:%d {
	tls internal
	fairlead
}
`, lab.FreePort(t), engine, writeCatalog(t, map[string][]*lab.Backend{"shop.example.com": {shop}}), port))
	address := fmt.Sprintf("127.0.0.1:%d", port)
	config := &tls.Config{ServerName: "shop.example.com", InsecureSkipVerify: true}
	soon(t, "the certificate", func() bool {
		c, err := tls.Dial("tcp", address, config)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	idle, busy := lab.DialTLS(t, address, config), lab.DialTLS(t, address, config)
	fromIdle, fromBusy := bufio.NewReader(idle), bufio.NewReader(busy)
	ask := func(c io.Writer, path string) {
		t.Helper()
		if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", path); err != nil {
			t.Fatal(err)
		}
	}
	answered := func(r *bufio.Reader, last bool) {
		t.Helper()
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if response.StatusCode != 200 || string(body) != "shop" || err != nil || response.Close != last {
			t.Errorf("answered %s %q, %v, the last one: %t, want %t", response.Status, body, err, response.Close, last)
		}
	}
	ask(idle, "/")
	answered(fromIdle, false)
	ask(busy, "/slow")
	<-begun
	if err := e.Reload(); err != nil {
		t.Fatal(err)
	}
	ask(idle, "/")
	answered(fromIdle, false)
	if got := laneEngine(t, e); got != engine {
		t.Errorf("the engine is %q", got)
	}

	if err := e.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := idle.AwaitEnd(); err != nil {
		t.Errorf("the idle connection: %v", err)
	}
	if err := e.Wait(100 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "not ended") {
		t.Errorf("the process has not waited for the request: %v", err)
	}
	close(release)
	answered(fromBusy, true)
	if err := busy.AwaitEnd(); err != nil {
		t.Errorf("the busy connection: %v", err)
	}
	if err := e.Wait(20 * time.Second); err != nil {
		t.Errorf("the process ended with %v", err)
	}
}
