package main_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/fairlead/fairlead/tools/lab"
)

// openEdge is an edge with one static cluster on a clear and a TLS port.
type openEdge struct {
	edge        *lab.Edge
	http, https string
	file        string
}

func startOpen(t *testing.T, services map[string][]*lab.Backend) *openEdge {
	t.Helper()
	file := writeCatalog(t, services)
	httpPort, httpsPort := lab.FreePort(t), lab.FreePort(t)
	e := lab.StartEdge(t, fmt.Sprintf(`{
	admin {ADMIN}
	auto_https disable_redirects
	skip_install_trust
	http_port %d
	https_port %d
	fairlead {
		cluster live {
			file %s
		}
	}
	on_demand_tls {
		permission fairlead
	}
}
http:// {
	fairlead
}
https:// {
	tls {
		issuer internal
		on_demand
	}
	fairlead
}
`, httpPort, httpsPort, file))
	return &openEdge{edge: e, file: file, http: fmt.Sprintf("127.0.0.1:%d", httpPort), https: fmt.Sprintf("127.0.0.1:%d", httpsPort)}
}

// clients returns an HTTP client for each version of the protocol; every name leads to the edge.
func (o *openEdge) clients(t *testing.T) map[string]*http.Client {
	t.Helper()
	trust := &tls.Config{InsecureSkipVerify: true}
	dial := func(addr string) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
	}
	h1 := &http.Transport{DialContext: dial(o.https), TLSClientConfig: trust.Clone(), TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	h2 := &http.Transport{DialContext: dial(o.https), TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true}
	h3 := &http3.Transport{TLSClientConfig: trust.Clone(), Dial: func(ctx context.Context, _ string, cfg *tls.Config, qc *quic.Config) (*quic.Conn, error) {
		return quic.DialAddrEarly(ctx, o.https, cfg, qc)
	}}
	t.Cleanup(func() {
		h1.CloseIdleConnections()
		h2.CloseIdleConnections()
		h3.Close()
	})
	return map[string]*http.Client{"HTTP/1.1": {Transport: h1}, "HTTP/2.0": {Transport: h2}, "HTTP/3.0": {Transport: h3}}
}

func TestEveryHTTPVersionCarriesBodiesBothWays(t *testing.T) {
	echo := lab.StartBackend(t, "echo", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Trailer", "X-Sum")
		sum := sha256.New()
		if _, err := io.Copy(io.MultiWriter(w, sum), r.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("X-Sum", fmt.Sprintf("%x", sum.Sum(nil)))
	}))
	o := startOpen(t, map[string][]*lab.Backend{"echo.example.com": {echo}})
	body := make([]byte, 20<<20)
	if _, err := rand.Read(body); err != nil {
		t.Fatal(err)
	}
	for proto, client := range o.clients(t) {
		for _, streamed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s streamed=%v", proto, streamed), func(t *testing.T) {
				var reader io.Reader = bytes.NewReader(body)
				if streamed {
					reader = io.MultiReader(reader) // hides the length
				}
				resp, err := client.Post("https://echo.example.com/", "application/octet-stream", reader)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				got, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				if resp.Proto != proto || !bytes.Equal(got, body) {
					t.Errorf("%s: %d of %d bytes came back right", resp.Proto, len(got), len(body))
				}
				if want := fmt.Sprintf("%x", sha256.Sum256(body)); resp.Trailer.Get("X-Sum") != want {
					t.Errorf("trailer is %q, want %q", resp.Trailer.Get("X-Sum"), want)
				}
			})
		}
	}
}

func TestCurlSpeaksHTTP2(t *testing.T) {
	lab.Require(t, "curl")
	shop := lab.StartBackend(t, "shop", nil)
	o := startOpen(t, map[string][]*lab.Backend{"shop.example.com": {shop}})
	_, port, _ := strings.Cut(o.https, ":")
	out, err := exec.CommandContext(t.Context(), "curl", "-sk", "--http2", "--max-time", "10", "-w", "%{http_version} %{http_code}",
		"--connect-to", "::127.0.0.1:"+port, "https://shop.example.com/").CombinedOutput()
	if err != nil || string(out) != "shop\n2 200" {
		t.Errorf("curl: %v: %q", err, out)
	}
}

func TestServerSentEventsAreNotHeldBack(t *testing.T) {
	next := make(chan struct{})
	events := lab.StartBackend(t, "events", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	}))
	o := startOpen(t, map[string][]*lab.Backend{"events.example.com": {events}})
	for proto, client := range o.clients(t) {
		t.Run(proto, func(t *testing.T) {
			resp, err := client.Get("https://events.example.com/")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			lines := bufio.NewReader(resp.Body)
			for i := range 3 {
				line, err := lines.ReadString('\n')
				if err != nil || line != fmt.Sprintf("data: %d\n", i) {
					t.Fatalf("event %d: %q, %v", i, line, err)
				}
				if _, err := lines.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
				next <- struct{}{}
			}
		})
	}
}

func TestGRPCWithTrailers(t *testing.T) {
	server := grpc.NewServer()
	state := health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, state)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(ln) // ends with Stop
	t.Cleanup(server.Stop)
	member := &lab.Backend{Name: "grpc", Port: ln.Addr().(*net.TCPAddr).Port}
	o := startOpen(t, map[string][]*lab.Backend{"grpc.example.com": {member}})

	conn, err := grpc.NewClient("passthrough:///grpc.example.com", grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, ServerName: "grpc.example.com"})),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", o.https)
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	client := grpc_health_v1.NewHealthClient(conn)
	if got, err := client.Check(ctx, new(grpc_health_v1.HealthCheckRequest)); err != nil || got.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Fatalf("unary call: %v, %v", got, err)
	}
	// An error's code and message travel in trailers.
	if _, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "nobody"}); err == nil || !strings.Contains(err.Error(), "NotFound") {
		t.Errorf("call of an unknown service: %v", err)
	}
	stream, err := client.Watch(ctx, &grpc_health_v1.HealthCheckRequest{Service: "db"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []grpc_health_v1.HealthCheckResponse_ServingStatus{grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN, grpc_health_v1.HealthCheckResponse_SERVING, grpc_health_v1.HealthCheckResponse_NOT_SERVING} {
		if want != grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN {
			state.SetServingStatus("db", want)
		}
		got, err := stream.Recv()
		if err != nil || got.Status != want {
			t.Fatalf("stream: got %v, %v, want %v", got, err, want)
		}
	}
}

func TestWebSocketEchoes(t *testing.T) {
	echo := lab.StartBackend(t, "echo", http.HandlerFunc(lab.Echo))
	o := startOpen(t, map[string][]*lab.Backend{"ws.example.com": {echo}})
	socket, err := lab.DialWebSocket(o.http, "ws.example.com")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for i := range 3 {
		if err := socket.Echo(strings.Repeat("x", 1+i*100000)); err != nil {
			t.Fatal(err)
		}
	}
}
