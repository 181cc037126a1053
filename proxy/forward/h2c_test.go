package forward_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/tools/lab"
)

// h2cBackend is a member that speaks HTTP/2 in clear only.
func h2cBackend(t testing.TB, handler http.HandlerFunc) string {
	s := httptest.NewUnstartedServer(handler)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.Listener.Addr().String()
}

func TestMembersOfHTTP2(t *testing.T) {
	var got *http.Request
	addr := h2cBackend(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Trailer", r.Trailer.Get("X-Sum"))
		fmt.Fprintf(w, "%d bytes", len(body))
		if len(body) > 5 {
			w.(http.Flusher).Flush() // no length, so that there is room for trailers
		}
		w.Header().Set(http.TrailerPrefix+"X-End", "1")
	})
	overEveryVersion(t, pool.Settings{"protocol": "h2c"}, []string{addr}, func(t *testing.T, p *proxy) {
		for _, c := range []struct {
			method, target string
			body           io.Reader
			length         int
		}{
			{"GET", "/a%2Fb?c=%20d", nil, 0},
			{"HEAD", "/", nil, 0},
			{"POST", "/", strings.NewReader("hello"), 5},
			{"POST", "/", io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20))), 1 << 20},
		} {
			r := p.request(c.method, c.target, c.body)
			if !p.EnableHTTP2 { // which knows no such header
				r.Header.Set("Connection", "X-Hop")
				r.Header.Set("X-Hop", "1")
			}
			r.Header.Set("X-Forwarded-For", "1.2.3.4")
			if c.length == 1<<20 {
				r.Trailer = http.Header{"X-Sum": {"sum"}}
			}
			resp, body := p.do(t, r)
			want := fmt.Sprintf("%d bytes", c.length)
			if c.method == "HEAD" {
				want = ""
			}
			if resp.StatusCode != 200 || body != want {
				t.Errorf("%s %s: %d %q", c.method, c.target, resp.StatusCode, body)
			}
			if c.length == 1<<20 && (resp.Header.Get("X-Trailer") != "sum" || resp.Trailer.Get("X-End") != "1") {
				t.Errorf("trailers: %v, %v", resp.Header, resp.Trailer)
			}
			if got.Proto != "HTTP/2.0" || got.Host != domain || got.RequestURI != c.target || got.Header.Get("X-Hop") != "" ||
				got.Header.Get("X-Forwarded-For") != "127.0.0.1" || got.Header.Get("Forwarded") == "" {
				t.Errorf("the member saw %s %s for %s, %v", got.Proto, got.RequestURI, got.Host, got.Header)
			}
		}
	})
}

func TestHTTP2MembersThatFail(t *testing.T) {
	silent := h2cBackend(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	cut := h2cBackend(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	stalled := h2cBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	for _, c := range []struct {
		name    string
		members []string
		method  string
		status  int
		cause   dispatch.Cause
	}{
		{"dead, then another", []string{lab.DeadAddress(t), h2cBackend(t, func(w http.ResponseWriter, r *http.Request) {})}, "POST", 200, ""},
		{"dead", []string{lab.DeadAddress(t)}, "GET", 502, dispatch.ConnectFailed},
		{"silent", []string{silent}, "GET", 504, dispatch.Timeout},
		{"cut", []string{cut}, "GET", 0, ""},
		{"stalled", []string{stalled}, "GET", 0, ""},
		{"not HTTP/2", []string{answering(t, "h1")}, "POST", 502, dispatch.Broken},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProxy(t, pool.Settings{"protocol": "h2c", "response_timeout": "100ms", "stall_timeout": "100ms"}, c.members)
			p.pool().Meter.Turn.Store(0)
			resp, err := p.Client().Do(p.request(c.method, "/", io.MultiReader(strings.NewReader("x"))))
			if err == nil {
				defer resp.Body.Close()
				_, err = io.ReadAll(resp.Body)
			}
			switch {
			case c.status == 0 && err == nil:
				t.Error("a cut response looks whole")
			case c.status != 0 && (err != nil || resp.StatusCode != c.status):
				t.Errorf("%v, %v", resp, err)
			}
			if c.cause != "" {
				if refusal := <-p.refused; refusal.Cause != c.cause {
					t.Errorf("%+v", refusal)
				}
			}
			if n := len(p.observer.failed()); n != 1 {
				t.Errorf("%d failures were observed: %q", n, p.observer.failed())
			}
		})
	}
}

func TestGRPC(t *testing.T) {
	server, state := grpc.NewServer(), health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, state)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(ln) // ends with Stop
	t.Cleanup(server.Stop)
	p := newProxy(t, nil, []string{ln.Addr().String()}, overTLS(true))
	conn, err := grpc.NewClient("passthrough:///"+domain,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, ServerName: domain})),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", p.Listener.Addr().String())
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
	if _, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "nobody"}); status.Code(err) != codes.NotFound {
		t.Errorf("an error, which travels in trailers: %v", err)
	}
	streaming, stop := context.WithCancel(ctx)
	stream, err := client.Watch(streaming, &grpc_health_v1.HealthCheckRequest{Service: "db"})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []grpc_health_v1.HealthCheckResponse_ServingStatus{
		grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN, grpc_health_v1.HealthCheckResponse_SERVING, grpc_health_v1.HealthCheckResponse_NOT_SERVING,
	} {
		if i > 0 {
			state.SetServingStatus("db", want)
		}
		if got, err := stream.Recv(); err != nil || got.Status != want {
			t.Fatalf("message %d: %v, %v", i, got, err)
		}
	}
	stop()
	if _, err := stream.Recv(); status.Code(err) != codes.Canceled && !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
	p.idle(t) // the member's stream ends with the client's
	if failed := p.observer.failed(); len(failed) != 0 {
		t.Errorf("the member was blamed: %q", failed)
	}
}
