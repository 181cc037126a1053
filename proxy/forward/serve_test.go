package forward_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/proxy/route"
)

// overEveryVersion runs a test with clients of HTTP/1.1 in clear, over TLS, and of HTTP/2.
func overEveryVersion(t *testing.T, settings pool.Settings, members []string, test func(t *testing.T, p *proxy)) {
	t.Helper()
	for name, options := range map[string][]option{"h1": nil, "h1 over TLS": {overTLS(false)}, "h2": {overTLS(true)}} {
		t.Run(name, func(t *testing.T) { test(t, newProxy(t, settings, members, options...)) })
	}
}

func TestPlainRequests(t *testing.T) {
	var got *http.Request
	var body string
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got, body = r, string(text)
		w.Header()["X-Answer"] = []string{"1", "2"}
		w.Header().Set("Content-Type", "text/x-own")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%d bytes", len(text))
	})
	overEveryVersion(t, nil, []string{addr}, func(t *testing.T, p *proxy) {
		for _, c := range []struct {
			method, target, body string
			stream               bool
		}{
			{method: "GET", target: "/"},
			{method: "GET", target: "/a%2Fb/../c;d?q=%20&r=a+b#"},
			{method: "GET", target: "/%e4%BD%A0?x"},
			{method: "GET", target: "/?"},
			{method: "DELETE", target: "/x"},
			{method: "POST", target: "/x", body: "hello"},
			{method: "POST", target: "/empty"},
			{method: "PATCH", target: "/x", body: strings.Repeat("b", 200<<10)},
			{method: "PUT", target: "/x", body: "unknown length", stream: true},
			{method: "REPORT", target: "/webdav"},
		} {
			target := strings.TrimSuffix(c.target, "#")
			var reader io.Reader = strings.NewReader(c.body)
			switch {
			case c.stream:
				reader = io.MultiReader(reader)
			case c.body == "":
				reader = nil
			}
			r := p.request(c.method, target, reader)
			r.Host = domain + ":8080"
			r.Header.Set("X-Mine", "value")
			resp, answer := p.do(t, r)
			if resp.StatusCode != http.StatusTeapot || answer != fmt.Sprintf("%d bytes", len(c.body)) ||
				resp.Header.Get("Content-Type") != "text/x-own" || !slices.Equal(resp.Header["X-Answer"], []string{"1", "2"}) {
				t.Errorf("%s %s: answered %d %q %v", c.method, target, resp.StatusCode, answer, resp.Header)
			}
			if got.Method != c.method || got.RequestURI != target || body != c.body || got.Host != domain+":8080" || got.Header.Get("X-Mine") != "value" {
				t.Errorf("%s %s: the member saw %s %s with %d bytes for %s", c.method, target, got.Method, got.RequestURI, len(body), got.Host)
			}
			if got.Proto != "HTTP/1.1" || len(got.TransferEncoding) != 0 != c.stream {
				t.Errorf("%s %s: the member saw %s, encoding %v", c.method, target, got.Proto, got.TransferEncoding)
			}
		}
	})
}

func TestResponsesWithoutBodies(t *testing.T) {
	addr := rawBackend(t, func(c *wire) {
		for {
			head, err := c.readHead()
			if err != nil {
				return
			}
			switch {
			case strings.Contains(head, "/204"):
				io.WriteString(c, "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n")
			case strings.Contains(head, "/304"):
				io.WriteString(c, "HTTP/1.1 304 Not Modified\r\nEtag: \"x\"\r\nContent-Length: 5\r\n\r\n")
			case strings.HasPrefix(head, "HEAD"):
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n")
			default:
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		}
	})
	overEveryVersion(t, nil, []string{addr}, func(t *testing.T, p *proxy) {
		for _, c := range []struct {
			method, path string
			status       int
			length       int64
		}{{"GET", "/204", 204, 0}, {"GET", "/304", 304, 0}, {"HEAD", "/", 200, 12345}, {"GET", "/", 200, 0}} {
			resp, body := p.do(t, p.request(c.method, c.path, nil))
			if resp.StatusCode != c.status || body != "" || c.path != "/304" && c.path != "/204" && resp.ContentLength != c.length {
				t.Errorf("%s %s: %d, length %d, %q", c.method, c.path, resp.StatusCode, resp.ContentLength, body)
			}
			if kind, ok := resp.Header["Content-Type"]; ok {
				t.Errorf("%s %s: a content type was made up: %q", c.method, c.path, kind)
			}
		}
		if n := p.Transport.Idles(); n != 1 {
			t.Errorf("%d connections were kept, want one for all", n)
		}
	})
}

func TestRequestHeaders(t *testing.T) {
	var got http.Header
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) { got = r.Header.Clone() })
	for _, c := range []struct {
		name    string
		trusted bool
		send    map[string][]string
		want    map[string][]string // nil: absent
	}{
		{
			name: "what a stranger says of forwarding is replaced",
			send: map[string][]string{"X-Forwarded-For": {"1.2.3.4"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"evil"}, "Forwarded": {"for=1.2.3.4"}},
			want: map[string][]string{"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {domain}, "Forwarded": {"for=127.0.0.1;host=shop.example.com;proto=http"}},
		},
		{
			name: "what a trusted proxy says is gone on from", trusted: true,
			send: map[string][]string{"X-Forwarded-For": {"1.2.3.4", "5.6.7.8"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"shop.example.com"}, "Forwarded": {"for=1.2.3.4;proto=https"}},
			want: map[string][]string{"X-Forwarded-For": {"1.2.3.4, 5.6.7.8, 127.0.0.1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"shop.example.com"}, "Forwarded": {"for=1.2.3.4;proto=https, for=127.0.0.1;host=shop.example.com;proto=http"}},
		},
		{
			name: "fields of one hop end here",
			send: map[string][]string{"Connection": {"close, X-Hop, X-Forwarded-For"}, "X-Hop": {"a"}, "Keep-Alive": {"timeout=5"}, "Proxy-Connection": {"x"}, "Proxy-Authorization": {"Basic x"}, "Te": {"gzip"}, "Upgrade": {"h2c"}, "Http2-Settings": {"x"}},
			want: map[string][]string{"Connection": nil, "X-Hop": nil, "Keep-Alive": nil, "Proxy-Connection": nil, "Proxy-Authorization": nil, "Te": nil, "Upgrade": nil, "Http2-Settings": nil, "X-Forwarded-For": {"127.0.0.1"}},
		},
		{
			name: "TE: trailers goes on", send: map[string][]string{"Te": {"gzip, trailers"}}, want: map[string][]string{"Te": {"trailers"}},
		},
		{
			name: "others pass as they are",
			send: map[string][]string{"Cookie": {"a=b"}, "Via": {"1.1 front"}, "Accept-Encoding": {"br"}, "Authorization": {"Basic x"}, "User-Agent": {""}, "X-Many": {"1", "2"}, "X_Under": {"c"}},
			want: map[string][]string{"Cookie": {"a=b"}, "Via": {"1.1 front"}, "Accept-Encoding": {"br"}, "Authorization": {"Basic x"}, "User-Agent": nil, "X-Many": {"1", "2"}, "X_under": {"c"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var options []option
			if c.trusted {
				options = append(options, trusting)
			}
			p := newProxy(t, nil, []string{addr}, options...)
			r := p.request("GET", "/", nil)
			for name, values := range c.send {
				r.Header[name] = values
			}
			p.do(t, r)
			for name, want := range c.want {
				if !slices.Equal(got[name], want) {
					t.Errorf("%s is %q, want %q", name, got[name], want)
				}
			}
		})
	}
}

func TestResponseHeaders(t *testing.T) {
	addr := rawBackend(t, func(c *wire) {
		c.readHead()
		io.WriteString(c, "HTTP/1.1 200 OK\r\nserver: member\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"+
			"Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-Empty:\r\nContent-Length: 2\r\n\r\nok")
	})
	p := newProxy(t, nil, []string{addr})
	p.Server.Config.Handler = before(p.Server.Config.Handler, http.Header{"Server": {"Caddy"}, "Alt-Svc": {"h3"}, "Set-Cookie": {"z=0"}})
	resp, body := p.get(t)
	want := http.Header{
		"Server": {"member"}, "Set-Cookie": {"z=0", "a=1", "b=2"}, "Alt-Svc": {"h3"}, "X-Empty": {""}, "Content-Length": {"2"},
	}
	resp.Header.Del("Date")
	for name := range resp.Header {
		if !slices.Equal(resp.Header[name], want[name]) {
			t.Errorf("%s is %q, want %q", name, resp.Header[name], want[name])
		}
	}
	if len(resp.Header) != len(want) || body != "ok" {
		t.Errorf("%q, %v", body, resp.Header)
	}
}

// before sets headers as an earlier handler does.
func before(next http.Handler, header http.Header) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		next.ServeHTTP(w, r)
	})
}

func TestRefusals(t *testing.T) {
	p := newProxy(t, nil, nil)
	for _, c := range []struct {
		host   string
		status int
		code   route.Code
		retry  bool
	}{
		{"other.example.com", 404, route.NoDomain, false},
		{"under_score!.example.com", 400, route.BadHost, false},
		{domain, 503, route.NoMember, true},
	} {
		r := p.request("GET", "/", nil)
		r.Host = c.host
		resp, _ := p.do(t, r)
		refusal := <-p.refused
		if resp.StatusCode != c.status || refusal.Code != c.code || refusal.Cause != dispatch.Undecided || refusal.Reason == "" || refusal.RetryAfter > 0 != c.retry {
			t.Errorf("%s: %d, %+v", c.host, resp.StatusCode, refusal)
		}
	}
	// A cluster that has heard nothing yet.
	p.Table.Store(&pool.Snapshot{Clusters: []*pool.Cluster{{Name: "live"}}})
	resp, _ := p.get(t)
	if refusal := <-p.refused; resp.StatusCode != 503 || refusal.Code != route.ClusterUnready || resp.Header.Get("Retry-After") == "" {
		t.Errorf("unready: %d, %+v", resp.StatusCode, refusal)
	}
	p.Table.Store(p.snapshot)
}

func TestOutcome(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	p := newProxy(t, nil, []string{addr})
	p.do(t, p.request("POST", "/", strings.NewReader("hello")))
	o := <-p.outcomes
	if o.Domain != domain || o.Pool != p.pool() || o.Member != p.pool().Members[0] || o.Attempts != 1 || o.Latency <= 0 || o.Status != 200 || o.Sent != 5 || o.Received != 5 || o.Problem != "" {
		t.Errorf("%+v", o)
	}
}

// TestEarlyData: what may have been recorded and sent again does nothing, and members know of it. A proxy in front may say so too.
func TestEarlyData(t *testing.T) {
	var seen []string
	var from string
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		seen, from = r.Header["Early-Data"], r.Header.Get("X-Forwarded-For")
	})
	p := newProxy(t, nil, []string{addr}, trusting)
	complete := true
	p.Server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.TLS = &tls.ConnectionState{HandshakeComplete: complete}
		p.serve(w, r)
	})
	for _, c := range []struct {
		complete bool
		method   string
		given    string
		status   int
		seen     int
		from     string
	}{
		{true, "GET", "", 200, 0, "192.0.2.1, 127.0.0.1"},
		{true, "POST", "1", 200, 1, "192.0.2.1, 127.0.0.1"},
		{false, "GET", "", 200, 1, "127.0.0.1"}, // nobody is a trusted proxy yet
		{false, "HEAD", "1", 200, 1, "127.0.0.1"},
		{false, "POST", "", 425, 0, ""},
		{false, "DELETE", "", 425, 0, ""},
	} {
		complete, seen, from = c.complete, nil, ""
		r := p.request(c.method, "/", nil)
		r.Header.Set("X-Forwarded-For", "192.0.2.1")
		if c.given != "" {
			r.Header.Set("Early-Data", c.given)
		}
		resp, _ := p.do(t, r)
		if resp.StatusCode != c.status || len(seen) != c.seen || from != c.from {
			t.Errorf("%+v: answered %d, the member saw Early-Data %q from %q", c, resp.StatusCode, seen, from)
		}
	}
}

func TestHandlersBeforeUsMayRewrite(t *testing.T) {
	var seen string
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) { seen = r.RequestURI })
	p := newProxy(t, nil, []string{addr})
	p.Server.Config.Handler = http.StripPrefix("/shop", p.Server.Config.Handler)
	for from, want := range map[string]string{"/shop/a?b": "/a?b", "/shop/a%2Fb": "/a%2Fb", "/shop": "/", "/shop?b": "/?b"} {
		if p.do(t, p.request("GET", from, nil)); seen != want {
			t.Errorf("%s became %s, want %s", from, seen, want)
		}
	}
}
