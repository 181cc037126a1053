package plugins_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/plugins/app"
	door "github.com/fairlead/fairlead/proxy/lane"
	"github.com/fairlead/fairlead/tools/lab"
)

// engines are the values of the option lane with which the same must come out.
var engines = []string{"lane portable", "lane off", "lane loop"}

// mirror is a backend that answers with what it was asked, as far as it does not differ by connection.
func mirror(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("X-Seen", r.Method)
	w.Header()["X-List"] = []string{"a", "b"}
	var lines []string
	for name, values := range r.Header {
		lines = append(lines, name+": "+strings.Join(values, "|"))
	}
	slices.Sort(lines)
	fmt.Fprintf(w, "%s %s of %s, %d bytes, %s\n%s\n%s\n", r.Method, r.RequestURI, r.Host, r.ContentLength, r.TransferEncoding, strings.Join(lines, "\n"), body)
	io.WriteString(w, strings.Repeat("padding that is worth compressing\n", 50))
}

// inFront are what a site may have in front of, or around, the directive, and why that keeps its host from the lane.
var inFront = []struct{ name, site, reason string }{
	{"nothing", "fairlead", ""},
	{"handle", "handle {\n fairlead\n}", ""},
	{"route in handle", "handle {\n route {\n fairlead\n }\n}", ""},
	{"unknown names passed on", "route {\n fairlead {\n pass_unknown\n }\n respond 418\n}", ""},
	{"log", "log {\n output discard\n}\nfairlead", ""},
	{"header", "header X-Test yes\nfairlead", "header"},
	{"request_header", "request_header X-Test yes\nfairlead", "header"},
	{"rewrite", "rewrite * /other{uri}\nfairlead", "rewrite"},
	{"uri", "uri strip_prefix /p\nfairlead", "rewrite"},
	{"method", "method DELETE\nfairlead", "rewrite"},
	{"basic_auth", "basic_auth {\n Bob $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n}\nfairlead", "basic_auth"},
	{"respond", "respond \"no\" 418\nfairlead", "respond or redir"},
	{"respond somewhere", "respond /p/* \"no\" 418\nfairlead", "matcher path"},
	{"redir", "redir /old /new\nfairlead", "matcher path"},
	{"encode", "encode gzip\nfairlead", "encode"},
	{"handle_path", "handle_path /p/* {\n respond \"{uri}\"\n}\nfairlead", "matcher path"},
	{"a matcher of headers", "@m header X-Ask yes\nrespond @m 418\nfairlead", "matcher header"},
	{"a matcher of methods", "@m method POST\nerror @m 409\nfairlead", "matcher method"},
	{"the directive with a matcher", "route {\n fairlead /p/*\n respond 418\n}", "matcher path"},
	{"handle_errors", "fairlead\nhandle_errors {\n respond \"sorry {err.status_code}\"\n}", "handle_errors"},
	{"request_body", "request_body {\n max_size 3\n}\nfairlead", "request_body"},
	{"vars", "vars a b\nfairlead", "vars"},
	{"map", "map {path} {x} {\n default y\n}\nfairlead", "map"},
	{"templates", "templates\nfairlead", "templates"},
	{"intercept", "intercept {\n replace_status 203\n}\nfairlead", "intercept"},
	{"log_append", "log_append a b\nfairlead", "log_append"},
	{"try_files", "try_files /none /p{uri}\nfairlead", "matcher file"},
	{"invoke", "invoke named\nfairlead", "invoke"},
}

const framed = `{
	fairlead {
		cluster live {
			file {LIVE}
		}
		{STATE}
	}
}
&(named) {
	header X-Named yes
}
http://shop.example.com:{HTTPPORT} {
	%s
}
`

// TestHandlersInFrontAnswerAlike loads each of Caddy's handlers in front of ours, with and without the lane.
func TestHandlersInFrontAnswerAlike(t *testing.T) {
	s := newSite(t)
	shop := lab.StartBackend(t, "shop", http.HandlerFunc(mirror))
	s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}})
	for _, c := range inFront {
		t.Run(c.name, func(t *testing.T) {
			var first []string
			for _, s.lane = range engines {
				s.mustLoad(fmt.Sprintf(framed, c.site))
				served := app.Current().Edge().Lane().Served
				got := s.questions(t)
				if c.reason == "" && s.lane != "lane off" {
					served += uint64(len(got))
				}
				s.laneHasServed(served)
				reason := c.reason
				if s.lane == "lane off" {
					reason = "lane off"
				}
				if explained := s.explainedLane(t, "shop.example.com"); explained != reason {
					t.Errorf("%s: explained by %q, want %q", s.lane, explained, reason)
				}
				if first == nil {
					first = got
				}
				for i := range got {
					if got[i] != first[i] {
						t.Errorf("with the lane:\n%s\nwithout:\n%s", first[i], got[i])
					}
				}
			}
		})
	}
}

// questions asks a site this and that and returns the answers.
func (s *site) questions(t *testing.T) (answers []string) {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	for _, q := range []struct{ method, path, header, value, body string }{
		{method: "GET", path: "/"},
		{method: "GET", path: "/p/a%2fb?q=1&r"},
		{method: "HEAD", path: "/"},
		{method: "GET", path: "/old"},
		{method: "POST", path: "/", body: "hello"},
		{method: "GET", path: "/", header: "Accept-Encoding", value: "gzip"},
		{method: "GET", path: "/", header: "X-Ask", value: "yes"},
		{method: "GET", path: "/", header: "X_Under.Dot", value: "yes"},
		{method: "GET", path: "/", header: "Authorization", value: "Basic Qm9iOmhpY2N1cA=="},
		{method: "OPTIONS", path: "/p"},
		{method: "DELETE", path: "/", header: "Te", value: "trailers"},
	} {
		request, err := http.NewRequest(q.method, "http://"+s.http+q.path, strings.NewReader(q.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Host = "shop.example.com"
		if q.header != "" {
			request.Header[q.header] = []string{q.value}
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		response.Header.Del("Date")
		var head strings.Builder
		response.Header.Write(&head)
		answers = append(answers, fmt.Sprintf("%s %s %s: %s\n%s%d %s\n\n%s", q.method, q.path, q.header, response.Status, head.String(), response.ContentLength, response.TransferEncoding, body))
	}
	return answers
}

// laneHasServed waits for the lane to have counted so many requests, which it does when they have ended, and no more.
func (s *site) laneHasServed(want uint64) {
	s.t.Helper()
	s.until(fmt.Sprintf("%d requests in the lane", want), func() bool { return app.Current().Edge().Lane().Served >= want })
	if got := app.Current().Edge().Lane().Served; got != want {
		s.t.Errorf("the lane has served %d requests, want %d", got, want)
	}
}

// explainedLane returns why a host is not in the lane, empty if it is.
func (s *site) explainedLane(t *testing.T, host string) string {
	t.Helper()
	return s.explained(t, host).Reason
}

// explained is what explain says of the lane and a host at the one address there is.
type explained struct {
	Serves         bool
	Reason, Engine string
}

func (s *site) explained(t *testing.T, host string) explained {
	t.Helper()
	var explained struct{ Lane []explained }
	got := s.do("GET", "http://"+s.admin+"/fairlead/explain?host="+host, s.admin)
	if err := json.Unmarshal([]byte(got.body), &explained); err != nil || len(explained.Lane) != 1 {
		t.Fatalf("explain: %v: %+v", err, explained)
	}
	lane := explained.Lane[0]
	if lane.Serves != (lane.Reason == "") || lane.Serves != (lane.Engine != "") {
		t.Errorf("explain contradicts itself: %s", got.body)
	}
	return lane
}

// TestEngineIsExplained compares what explain says of the engine with whether a goroutine serves the connection.
func TestEngineIsExplained(t *testing.T) {
	s := newSite(t)
	shop := lab.StartBackend(t, "shop", nil)
	s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}})
	best := "loop"
	if _, err := door.NewLoops(1); err != nil {
		best = "portable"
	}
	const wrapped = "listener_wrappers {\n proxy_protocol {\n allow 127.0.0.1/32\n }\n tls\n}"
	for _, c := range []struct{ lane, options, says, engine string }{
		{"", "", "", best},
		{"lane loop", "", "", best},
		{"lane loop", wrapped, "PROXY TCP4 203.0.113.7 203.0.113.8 4711 80\r\n", "portable"},
		{"lane portable", "", "", "portable"},
		{"lane off", "", "", ""},
	} {
		s.lane = c.lane
		s.mustLoad(strings.Replace(plain, "{\n", "{\n servers {\n"+c.options+"\n}\n", 1))
		if got := s.explained(t, "shop.example.com").Engine; got != c.engine {
			t.Errorf("%q, %q: the engine is %q, want %q", c.lane, c.options, got, c.engine)
		}
		held := s.talkTo(t, "")
		held.say(c.says + get("shop.example.com", "/"))
		held.hears("shop")
		var goroutines strings.Builder
		if err := pprof.Lookup("goroutine").WriteTo(&goroutines, 1); err != nil {
			t.Fatal(err)
		}
		if by := strings.Contains(goroutines.String(), "lane.(*Listener).Serve+"); by != (c.engine == "portable") {
			t.Errorf("%q, %q: a goroutine of the portable engine serves: %t", c.lane, c.options, by)
		}
		held.Close()
		s.until("the connection's end", func() bool {
			goroutines.Reset()
			_ = pprof.Lookup("goroutine").WriteTo(&goroutines, 1)
			return !strings.Contains(goroutines.String(), "lane.(*Listener).Serve+")
		})
	}
}

// TestServerOptionsThatTheLaneHasNot give the whole server to Caddy.
func TestServerOptionsThatTheLaneHasNot(t *testing.T) {
	s := newSite(t)
	shop := lab.StartBackend(t, "shop", nil)
	s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}})
	for option, reason := range map[string]string{
		"timeouts {\n write 5s\n}":                                                   "write_timeout",
		"timeouts {\n read_body 5s\n}":                                               "read_timeout",
		"timeouts {\n read_header 7s\n idle 8s\n}":                                   "",
		"max_header_size 5KB":                                                        "",
		"expected_underscore_headers a_b":                                            "expected_underscore_headers",
		"trusted_proxies static private_ranges":                                      "",
		"listener_wrappers {\n proxy_protocol {\n fallback_policy skip\n }\n tls\n}": "",
		"listener_wrappers {\n http_redirect\n tls\n}":                               "",
	} {
		s.mustLoad(strings.Replace(plain, "{\n", "{\n servers {\n"+option+"\n}\n", 1))
		if got := s.explainedLane(t, "shop.example.com"); got != reason {
			t.Errorf("%s: explained by %q, want %q", option, got, reason)
		}
		http.DefaultTransport.(*http.Transport).CloseIdleConnections() // one that Caddy has may outlive its configuration by a request
		served := app.Current().Edge().Lane().Served
		status := 200
		if strings.Contains(option, "http_redirect") { // which answers whoever comes in clear, before the lane
			status = 308
		}
		if got := s.get("shop.example.com", "/"); got.StatusCode != status {
			t.Errorf("%s: %d", option, got.StatusCode)
		}
		if reason == "" && status == 200 {
			served++
		}
		s.laneHasServed(served)
	}
}
