package proxy_test

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

// answers are what the witness says to a target; "ok" to any other.
var answers = map[string]string{
	"/chunked":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
	"/trailers":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Content-Length\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\nX-More: 8\r\nSet-Cookie: a=b\r\n\r\n",
	"/close":      "HTTP/1.1 200 OK\r\n\r\nuntil the end",
	"/close-ten":  "HTTP/1.0 200 OK\r\n\r\nuntil the end",
	"/close-said": "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
	"/none":       "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
	"/unchanged":  "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n",
	"/empty":      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	"/hints":      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	"/fields": "HTTP/1.1 200 Fine\r\nserver: mine\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\nset-cookie: a=b\r\nSet-Cookie: c=d\r\nX_A: 1\r\nx-b.c: 2\r\n" +
		"Keep-Alive: timeout=5\r\nConnection: x-hop\r\nX-Hop: 1\r\nVia: 1.1 x\r\nUpgrade: h2c\r\nTE: x\r\nProxy-Authenticate: Basic\r\nX-Empty:\r\nX-Latin: \xe4\r\nContent-Length: 2\r\n\r\nok",
	"/twice-typed":     "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Type: c/d\r\nLocation: /1\r\nLocation: /2\r\nContent-Length: 2\r\n\r\nok",
	"/status":          "HTTP/1.1 799 Own\r\nContent-Length: 2\r\n\r\nok",
	"/status-none":     "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
	"/bad-busy":        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\nno",
	"/bad-both":        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	"/bad-lengths":     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
	"/bad-line":        "HTTP/1.1 OK\r\n\r\n",
	"/bad-folded":      "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
	"/bad-switch":      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
	"/close-cut":       "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 9000),
	"/close-cut-chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("3e8\r\n"+strings.Repeat("x", 1000)+"\r\n", 10),
	"/large":           "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 1_000_000),
}

// exchange is what a client sends in a comparison.
type exchange struct {
	name, bytes string
	methods     []string // of the requests, where they are not GET
}

func plain(method, target string, fields ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: " + site + "\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
}

func exchanges() (all []exchange) {
	add := func(name, bytes string, methods ...string) {
		all = append(all, exchange{name: name, bytes: bytes, methods: methods})
	}
	for target := range answers {
		add("answer "+target, plain("GET", target))
		if !strings.HasPrefix(target, "/close-cut") && target != "/large" {
			add("answer to HEAD "+target, plain("HEAD", target), "HEAD")
		}
	}
	for c := '!'; c <= '~'; c++ {
		if c == '#' {
			continue
		}
		add(fmt.Sprintf("%c in the path", c), plain("GET", "/a"+string(c)+"b"))
		add(fmt.Sprintf("%c in the query", c), plain("GET", "/a?b"+string(c)+"c"))
	}
	for _, target := range []string{"//x/y", "/?", "/??", "/a%2Fb", "/a%2fb?c%2Fd", "/a%41", "/%C3%A4", "/a/../b", "/./", "/a;b=c", "/a:b", "*", "http://" + site + "/x", "http://other/x", "/%zz", "/a?%zz", "/\xc3\xa4", "/?\xc3\xa4"} {
		add("target "+target, plain("GET", target))
	}
	for _, method := range []string{"PUT", "PATCH", "DELETE", "OPTIONS", "get", "PROPFIND", "M-SEARCH", "QUERY", "A_B"} {
		add("method "+method, plain(method, "/"), method)
		add("method "+method+" with a body", plain(method, "/", "Content-Length: 5")+"hello", method)
	}
	for _, field := range []string{
		"x-a: b", "X-A: b\r\nx-a: c", "accept-ENCODING: gzip", "Cookie: a=b\r\nCookie: c=d", "Cookie: a=b", "X-Empty:", "X-Tab: a\tb", "X-Latin: \xe4", "TE: trailers", "TE: gzip, trailers;q=1",
		"TE: gzip", "Connection: keep-alive", "Connection: close", "Connection: X-A, close\r\nX-A: b", "Connection: x-a\r\nX-A: b", "Connection: cookie\r\nCookie: a=b\r\nCookie: c=d",
		"Connection: X-Forwarded-For, Host, Content-Length", "Connection: ,,", "Keep-Alive: x", "Proxy-Connection: x", "Proxy-Authorization: x", "Proxy-Authenticate: x", "Http2-Settings: x", "Trailer: X-A",
		"Forwarded: for=1.2.3.4", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8", "X-Forwarded-For: 1.2.3.4, 5.6.7.8", "X-Forwarded-Proto: https", "X-Forwarded-Host: a",
		"X-Forwarded-Host: a\r\nX-Forwarded-Host: b", "X_Forwarded_For: 1.2.3.4", "X.A: b", "Upgrade: websocket", "Connection: upgrade", "Expect: 100-continue", "Expect: x", "Via: 1.1 a", "Authorization: x",
		"User-Agent: x", "User-Agent:", "Content-Type: a/b", "Content-Encoding: gzip", "Range: bytes=0-1", "X-Request-Id: 1", "!#$%&'*+-.^`|~: x", "Content-Length: 0", "A: 1\r\nB: 2\r\nA: 3",
		"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "X-Forwarded-For: nonsense", "Forwarded: nonsense;;", "X-Forwarded-For:",
	} {
		add("field "+field, plain("GET", "/", field))
	}
	for name, bytes := range map[string]string{
		"sized":                    plain("POST", "/", "Content-Length: 5") + "hello",
		"empty":                    plain("POST", "/", "Content-Length: 0"),
		"none":                     plain("POST", "/"),
		"none with a chunk":        plain("POST", "/", "Transfer-Encoding: chunked") + "0\r\n\r\n",
		"chunked":                  plain("POST", "/", "Transfer-Encoding: chunked") + "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
		"chunked GET":              plain("GET", "/", "Transfer-Encoding: chunked") + "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
		"trailers":                 plain("POST", "/", "Transfer-Encoding: chunked", "Trailer: X-Sum") + "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
		"trailers not announced":   plain("POST", "/", "Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\nX-Sum: 1\r\nCookie: a=b\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n",
		"two trailers":             plain("POST", "/", "Transfer-Encoding: chunked", "Trailer: X-A, x-b") + "5\r\nhello\r\n0\r\nX-A: 1\r\nX-B: 2\r\nX-A: 3\r\n\r\n",
		"framing announced":        plain("POST", "/", "Transfer-Encoding: chunked", "Trailer: Content-Length") + "5\r\nhello\r\n0\r\n\r\n",
		"large":                    plain("POST", "/", "Content-Length: 300000") + strings.Repeat("x", 300_000),
		"large in chunks":          plain("POST", "/", "Transfer-Encoding: chunked") + strings.Repeat("3e8\r\n"+strings.Repeat("x", 1000)+"\r\n", 300) + "0\r\n\r\n",
		"answered early":           plain("POST", "/early", "Content-Length: 300000") + strings.Repeat("x", 300_000),
		"empty line behind":        plain("POST", "/", "Content-Length: 5") + "hello\r\n",
		"more than its length":     plain("POST", "/", "Content-Length: 5") + "helloX",
		"silent":                   "POST / HTTP/1.1\r\nHost: " + site + "\r\nContent-Length: 5000\r\n\r\nhello",
		"silent in a chunk":        "POST / HTTP/1.1\r\nHost: " + site + "\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nhello",
		"broken chunk":             plain("POST", "/", "Transfer-Encoding: chunked") + "3\r\nhelX\r\n",
		"pipelined":                plain("POST", "/", "Content-Length: 5") + "hello" + plain("GET", "/chunked") + plain("GET", "/fields"),
		"pipelined to a hand-over": plain("GET", "/1") + plain("GET", "/2", "Expect: x") + plain("GET", "/3"),
	} {
		add("body "+name, bytes)
	}
	return all
}

// TestDoorsAgree sends the same bytes through net/http with forward and through the lane on each engine: what the member gets must be the
// same to the byte, but for the order of fields; what the client gets must be, or the difference has its row and its reason here.
func TestDoorsAgree(t *testing.T) {
	// The rows. Besides, net/http sends a short body in one piece with a length that the member has sent in chunks; bodies are compared
	// decoded for that.
	const noBody = "a refusal has Content-Length: 0, to HEAD as well; net/http leaves it out there"
	rows := map[string]string{}
	for target := range answers {
		if strings.HasPrefix(target, "/bad") && target != "/bad-busy" {
			rows["answer to HEAD "+target] = noBody
		}
	}
	local := netip.MustParsePrefix("127.0.0.0/8")
	for name, trusted := range map[string][]netip.Prefix{"strangers": nil, "trusted": {local}} {
		t.Run(name, func(t *testing.T) {
			d := newDoors(t, pool.Settings{"stall_timeout": "400ms", "retries": "0", "eject_failures": "0"}, trusted...)
			for _, e := range exchanges() {
				d.compare(t, e, rows[e.name])
			}
		})
	}
}

// TestDoorsAgreeOnAttacks does the same with the corpora of ambiguous and malformed requests.
func TestDoorsAgreeOnAttacks(t *testing.T) {
	rows := map[string]string{}
	d := newDoors(t, pool.Settings{"stall_timeout": "200ms", "retries": "0", "eject_failures": "0"})
	for _, file := range []string{"http1/testdata/requests.txt", "lane/testdata/corpus.txt"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for block := range strings.SplitSeq(string(text), "\n\n") {
			lines := strings.Split(strings.TrimSpace(block), "\n")
			if strings.HasPrefix(lines[0], "#") {
				continue
			}
			bytes := ""
			for _, line := range lines[2:] {
				if i := strings.Index(line, `"`); i >= 0 && !strings.HasPrefix(line, ">") {
					part, err := strconv.Unquote(line[i:])
					if err != nil {
						t.Fatal(err)
					}
					times, _ := strconv.Atoi(strings.TrimSuffix(line[:i], " * "))
					bytes += strings.Repeat(part, max(1, times))
				}
			}
			d.compare(t, exchange{name: lines[0], bytes: bytes}, rows[lines[0]])
		}
	}
}

// compare sends an exchange through all doors. why is the reason for a difference in what the client gets; a row without one is an error.
//
// What forward does may depend on the moment: whether an answer overtakes its note of an upload's end decides whether the connection is
// kept. So what a lane does must be one of the things that forward does. What the member has to tell may come late on a busy machine, and
// be taken for the next exchange's: where the doors differ they are asked again, with more time.
func (d *doors) compare(t *testing.T, e exchange, why string) {
	t.Run(e.name, func(t *testing.T) {
		var clients, members []string
		again := func(settle time.Duration) {
			client, member := d.ask(t, d.forward, e.bytes, e.methods, settle)
			clients, members = append(clients, client), append(members, member)
		}
		again(promptly)
		for name, addr := range d.lanes {
			client, member := d.ask(t, addr, e.bytes, e.methods, promptly)
			agree := func() bool {
				for i := range clients {
					if members[i] == member && (why != "" || clients[i] == client) {
						return true
					}
				}
				return false
			}
			for settle := promptly; settle < 2*time.Second && !agree(); settle *= 4 {
				time.Sleep(settle)
				d.member.taken()
				client, member = d.ask(t, addr, e.bytes, e.methods, settle)
				for tries := 0; tries < 4 && !agree(); tries++ {
					again(settle)
				}
			}
			if !agree() {
				t.Errorf("by forward client and member get\n%s\n%s\nby the lane (%s)\n%s\n%s",
					shorten(clients[0]), shorten(members[0]), name, shorten(client), shorten(member))
			}
			if why != "" && clients[0] == client {
				t.Errorf("there is no difference any more (%s)", name)
			}
		}
	})
}

func shorten(s string) string {
	if len(s) > 2000 {
		return s[:1000] + "..." + s[len(s)-1000:]
	}
	return s
}
