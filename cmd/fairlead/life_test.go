package main_test

import (
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// TestStoppingDrains sends SIGTERM while a request and a tunnel are under way.
func TestStoppingDrains(t *testing.T) {
	shop := lab.StartBackend(t, "shop", nil)
	echo := lab.StartBackend(t, "echo", http.HandlerFunc(lab.Echo))
	file := writeCatalog(t, map[string][]*lab.Backend{"shop.example.com": {shop}, "ws.example.com": {echo}})
	address := fmt.Sprintf("127.0.0.1:%d", lab.FreePort(t))
	e := lab.StartEdge(t, fmt.Sprintf(`{
	admin {ADMIN}
	auto_https off
	fairlead {
		cluster live {
			file %s
		}
		drain_delay 1s
		drain_timeout 2s
	}
}
http://:%s {
	fairlead
}
`, file, address[len("127.0.0.1:"):]))
	get := func(host, path string) (int, string, error) {
		request, err := http.NewRequest("GET", "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			return 0, "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return response.StatusCode, string(body), err
	}
	if status, body, err := get(address, "/fairlead/ready"); status != 200 {
		t.Fatalf("a running edge is not ready: %d %q, %v", status, body, err)
	}
	socket, err := lab.DialWebSocket(address, "ws.example.com")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	slow := make(chan error, 1)
	go func() {
		status, _, err := get("shop.example.com", "/?sleep=2s")
		if err == nil && status != 200 {
			err = fmt.Errorf("status %d", status)
		}
		slow <- err
	}()
	for deadline := time.Now().Add(10 * time.Second); shop.Hits.Load() == 0 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}

	if err := e.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	told := time.Now()
	for status := 200; status == 200; {
		if status, _, err = get(address, "/fairlead/ready"); err != nil {
			t.Fatalf("the edge stopped before it was seen not to be ready: %v", err)
		}
		if _, err := e.Get("/fairlead/ready"); status != 200 && err == nil {
			t.Error("the admin endpoint still says ready")
		}
	}
	if status, _, err := get("shop.example.com", "/"); status != 200 {
		t.Errorf("a new request while load balancers look elsewhere: %d, %v", status, err)
	}
	if err := socket.Echo("still here"); err != nil {
		t.Errorf("the tunnel meanwhile: %v", err)
	}
	if err := <-slow; err != nil {
		t.Errorf("the request that was under way: %v", err)
	}
	if err := e.Wait(20 * time.Second); err != nil {
		t.Errorf("the process ended with %v", err)
	}
	if took := time.Since(told); took < 2*time.Second {
		t.Errorf("the process ended after %s, before the tunnel's time was over", took)
	}
	if err := socket.Echo("gone"); err == nil {
		t.Error("the tunnel outlives the process")
	}
}
