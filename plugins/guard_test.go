package plugins_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// smuggled are requests that net/http by itself answers with 200.
var smuggled = map[string]string{
	"both lengths":              "POST / HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"one length twice":          "POST / HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
	"folded line":               "GET / HTTP/1.1\r\nHost: shop.example.com\r\nX-A: a\r\n b\r\n\r\n",
	"bare line feeds":           "GET / HTTP/1.1\nHost: shop.example.com\n\n",
	"chunked in HTTP/1.0":       "POST / HTTP/1.0\r\nHost: shop.example.com\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"after an honest request":   "GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\nGET / HTTP/1.1\nHost: shop.example.com\n\n",
	"for another site's domain": "GET / HTTP/1.1\r\nHost: static.example.com\r\nX-A: a\r\n b\r\n\r\n",
}

// guarded are configurations in which a guard could be forgotten.
var guarded = map[string]string{
	"as it comes": `{
	fairlead {
		cluster live {
			file {LIVE}
		}
		{STATE}
	}
}
:{HTTPPORT}, https://shop.example.com:{HTTPSPORT} {
	tls internal
	fairlead
}
`,
	"nested, beside other sites and listener wrappers": `{
	servers {
		trusted_proxies static private_ranges
		listener_wrappers {
			proxy_protocol {
				fallback_policy skip
			}
			tls
		}
	}
	fairlead {
		cluster live {
			file {LIVE}
		}
		{STATE}
	}
}
http://static.example.com:{HTTPPORT} {
	respond "static"
}
:{HTTPPORT}, https://shop.example.com:{HTTPSPORT} {
	tls internal
	handle /static/* {
		respond "static"
	}
	handle {
		route {
			fairlead
		}
	}
}
`,
}

func TestAmbiguousRequestsAreRefused(t *testing.T) {
	for config, caddyfile := range guarded {
		t.Run(config, func(t *testing.T) {
			s := newSite(t)
			shop := lab.StartBackend(t, "shop", nil)
			s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}})
			s.mustLoad(caddyfile)
			s.mustLoad(strings.Replace(caddyfile, "fairlead {", "grace_period 1s\n\tfairlead {", 1)) // the guard outlives a reload
			s.until("the certificate", func() bool {
				c, err := s.dialTLS()
				if err == nil {
					c.Close()
				}
				return err == nil
			})
			for name, text := range smuggled {
				for way, dial := range map[string]func() (net.Conn, error){"in clear": s.dialClear, "over TLS": s.dialTLS} {
					answers := exchange(t, dial, text)
					want := []int{400}
					if name == "after an honest request" {
						want = []int{200, 400}
					}
					if len(answers) != len(want) || answers[0] != want[0] || answers[len(answers)-1] != 400 {
						t.Errorf("%s, %s: answered %v, want %v and the end", name, way, answers, want)
					}
				}
			}
			if answers := exchange(t, s.dialTLS, "GET / HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n"); len(answers) != 1 || answers[0] != 200 {
				t.Errorf("an honest request over TLS: %v", answers)
			}
			if metrics := s.do("GET", "http://"+s.admin+"/metrics", "").body; !strings.Contains(metrics, `fairlead_refusals_total{code="bad_request"}`) {
				t.Error("the refusals are not counted")
			}
		})
	}
}

func (s *site) dialClear() (net.Conn, error) { return net.Dial("tcp", s.http) }

func (s *site) dialTLS() (net.Conn, error) {
	return tls.Dial("tcp", s.https, &tls.Config{ServerName: "shop.example.com", InsecureSkipVerify: true})
}

// exchange sends text on a connection of its own and returns the statuses of all answers, until the server closes it.
func exchange(t *testing.T, dial func() (net.Conn, error), text string) (answers []int) {
	t.Helper()
	c, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(c, text)
	in := bufio.NewReader(c)
	for {
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			return answers
		}
		answers = append(answers, response.StatusCode)
		io.Copy(io.Discard, response.Body)
	}
}
