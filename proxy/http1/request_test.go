package http1_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/proxy/http1"
)

// Heads of the corpus that are refused for what stands in them are refused by Parse; the others by what follows them.
func TestParseRequestOnTheCorpus(t *testing.T) {
	for _, c := range corpus(t) {
		end := strings.Index(c.bytes, "\r\n\r\n")
		if end < 0 {
			continue
		}
		var r http1.Request
		err := r.Parse(c.bytes[:end+4], http1.Limits{})
		if c.status == http.StatusOK && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if bodyMatters := strings.Contains(c.name, "chunk ") || strings.Contains(c.name, "trailer"); c.status != http.StatusOK && err == nil && !bodyMatters {
			t.Errorf("%s was taken", c.name)
		}
	}
}

func TestParseRequest(t *testing.T) {
	var r http1.Request
	err := r.Parse("POST /a?b HTTP/1.1\r\nhost: shop.example.com:80\r\nContent-Length: 5\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", http1.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Method != "POST" || r.Target != "/a?b" || r.Host != "shop.example.com:80" || r.Minor != 1 || r.Close || !r.Upgrade ||
		r.Framing() != (http1.Framing{Kind: http1.Sized, Length: 5}) || len(r.Fields) != 4 {
		t.Errorf("%+v", r)
	}
}

// FuzzRequest: a head that we take means to net/http what it means to us.
func FuzzRequest(f *testing.F) {
	for _, c := range corpus(f) {
		if end := strings.Index(c.bytes, "\r\n\r\n"); end >= 0 {
			f.Add(c.bytes[:end+4])
		}
	}
	f.Fuzz(func(t *testing.T, head string) {
		head, _, _ = strings.Cut(head, "\r\n\r\n")
		head += "\r\n\r\n"
		var ours http1.Request
		if ours.Parse(head, http1.Limits{}) != nil {
			return
		}
		theirs, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
		if err != nil {
			return // stricter than we are about targets: then its server answers 400
		}
		if theirs.Method != ours.Method || theirs.RequestURI != ours.Target || theirs.ProtoMinor != ours.Minor {
			t.Errorf("%q: %s %s, net/http %s %s", head, ours.Method, ours.Target, theirs.Method, theirs.RequestURI)
		}
		if theirs.URL.Host == "" && theirs.Host != ours.Host {
			t.Errorf("%q: host %q, net/http %q", head, ours.Host, theirs.Host)
		}
		length := max(0, ours.Length)
		if ours.Chunked {
			length = -1
		}
		if theirs.ContentLength != length {
			t.Errorf("%q: %+v, net/http has length %d", head, ours.Framing(), theirs.ContentLength)
		}
		sameFields(t, head, ours.Fields, theirs.Header)
	})
}
