package message_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/message"
)

// cases returns a name as written, in lower case and in upper case.
func cases(name string) []string { return []string{name, strings.ToLower(name), strings.ToUpper(name)} }

func TestPasses(t *testing.T) {
	passing := []string{
		"Accept", "Age", "Authorization", "Content-Type", "Cookie", "Date", "Early-Data", "Forwarded-By", "Http2-Setting", "Origin",
		"Sec-Websocket-Key", "User-Agent", "Via", "X", "X-Forwarded-By", "X-Forwarded-Port", "X-Forwarded-Proton", "X-Real-Ip", "Sender-ID",
		"X-Request-Number", "X-Request-Numbers", "Unforward",
	}
	barred := []string{
		"", "Connection", "Content-Length", "Expect", "Forwarded", "Host", "Http2-Settings", "Keep-Alive", "Proxy-Connection", "Te",
		"Trailer", "Transfer-Encoding", "Upgrade", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
		":path", ":method", ":scheme", ":authority", ":protocol", ":status", ":", ":a-long-pseudo-header", ":thirteen-long", ":of-fourteen-x",
		":of-fifteen-xxx", ":of-sixteen-xxxx", ":of-seventeen-xxx",
	}
	for _, name := range passing {
		for _, name := range cases(name) {
			if !message.Passes(name, http1.KindOf(name)) {
				t.Errorf("%q does not pass", name)
			}
		}
	}
	for _, name := range barred {
		for _, name := range cases(name) {
			if message.Passes(name, http1.KindOf(name)) || message.TrailerPasses(name) {
				t.Errorf("%q passes", name)
			}
		}
	}
}

func TestTrailerPasses(t *testing.T) {
	for name, want := range map[string]bool{
		"Grpc-Status": true, "Server-Timing": true, "Etag": true, "X-Checksum": true,
		"Authorization": false, "Cookie": false, "Set-Cookie": false, "Content-Type": false, "Content-Encoding": false,
		"Content-Range": false, "Content-Length": false, "Host": false, "Transfer-Encoding": false, "X-Forwarded-For": false,
	} {
		for _, name := range cases(name) {
			if message.TrailerPasses(name) != want {
				t.Errorf("%q passes: %t", name, !want)
			}
		}
	}
}

func TestReplaces(t *testing.T) {
	for name, want := range map[string]bool{
		"Server": true, "Date": true, "Etag": true, "Content-Type": true, "Last-Modified": true, "Location": true,
		"Set-Cookie": false, "Vary": false, "Link": false, "Cache-Control": false, "Content-Range": false, "Accept-Ranges": false,
		"Origin": false, "Trailers": false, "": false,
	} {
		for _, name := range cases(name) {
			if message.Replaces(name) != want {
				t.Errorf("%q replaces: %t", name, !want)
			}
		}
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  string
	}{
		{nil, ""},
		{[]string{"close"}, ""},
		{[]string{"Keep-Alive"}, ""},
		{[]string{"upgrade"}, "upgrade"},
		{[]string{" X-A ,\tx-b,, close"}, "X-A|x-b|close"},
		{[]string{"X-A", "keep-alive", "X-B"}, "X-A|X-B"},
		{[]string{"", ",", " , "}, ""},
	} {
		var options message.Options
		for _, line := range c.lines {
			options = options.Append(line)
		}
		if got := strings.Join(options, "|"); got != c.want {
			t.Errorf("%q: %q, want %q", c.lines, got, c.want)
		}
	}
	options := message.Options(nil).Append("x-a, X-B")
	for name, want := range map[string]bool{"X-A": true, "x-b": true, "X-C": false, "X": false, "": false} {
		if options.Has(name) != want {
			t.Errorf("%q is there: %t", name, !want)
		}
	}
}

func TestFieldsAllocateNothing(t *testing.T) {
	names := []string{"accept", "x-forwarded-for", "Te", ":authority", "Content-Type", http.TrailerPrefix}
	options := make(message.Options, 0, 4)
	if n := testing.AllocsPerRun(100, func() {
		o := options.Append("keep-alive").Append("X-A, X-B")
		for _, name := range names {
			_ = message.Passes(name, http1.KindOf(name)) && message.TrailerPasses(name) && message.Replaces(name) && o.Has(name)
		}
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
}
