package http1_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/proxy/http1"
)

func TestParseResponse(t *testing.T) {
	many := strings.Repeat("X-A: b\r\n", 257)
	for _, c := range []struct {
		name, head string
		want       error
		status     int
		framing    http1.Framing
		close      bool
	}{
		{name: "sized", head: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", status: 200, framing: http1.Framing{Kind: http1.Sized, Length: 5}},
		{name: "empty", head: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", status: 200},
		{name: "chunked", head: "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n", status: 200, framing: http1.Framing{Kind: http1.Chunked}},
		{name: "until close", head: "HTTP/1.1 200 OK\r\n\r\n", status: 200, framing: http1.Framing{Kind: http1.UntilClose}},
		{name: "no content", head: "HTTP/1.1 204 No Content\r\n\r\n", status: 204},
		{name: "not modified keeps its length", head: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", status: 304},
		{name: "interim", head: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", status: 103},
		{name: "no reason", head: "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", status: 200},
		{name: "neither reason nor blank", head: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", status: 200},
		{name: "HTTP/1.0 closes", head: "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", status: 200, close: true},
		{name: "HTTP/1.0 keeps", head: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", status: 200},
		{name: "asks to close", head: "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 0\r\n\r\n", status: 200, close: true},
		{name: "other version", head: "HTTP/1.2 200 OK\r\n\r\n", want: http1.ErrVersion},
		{name: "HTTP/2", head: "HTTP/2.0 200 OK\r\n\r\n", want: http1.ErrStatusLine},
		{name: "no HTTP", head: "SSH-2.0-OpenSSH_9.2\r\n\r\n", want: http1.ErrStatusLine},
		{name: "status of two digits", head: "HTTP/1.1 20 OK\r\n\r\n", want: http1.ErrStatusLine},
		{name: "status of four digits", head: "HTTP/1.1 2000 OK\r\n\r\n", want: http1.ErrStatusLine},
		{name: "status below 100", head: "HTTP/1.1 099 OK\r\n\r\n", want: http1.ErrStatusLine},
		{name: "control in the reason", head: "HTTP/1.1 200 O\x00K\r\n\r\n", want: http1.ErrStatusLine},
		{name: "length and encoding", head: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", want: http1.ErrAmbiguousLength},
		{name: "encoding and length", head: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", want: http1.ErrAmbiguousLength},
		{name: "two lengths", head: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", want: http1.ErrContentLength},
		{name: "list of lengths", head: "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", want: http1.ErrContentLength},
		{name: "signed length", head: "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", want: http1.ErrContentLength},
		{name: "other encoding", head: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", want: http1.ErrTransferEncoding},
		{name: "encoding in HTTP/1.0", head: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", want: http1.ErrTransferEncoding},
		{name: "folded", head: "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\n\r\n", want: http1.ErrFolded},
		{name: "blank before the colon", head: "HTTP/1.1 200 OK\r\nX-A : b\r\n\r\n", want: http1.ErrFieldName},
		{name: "no colon", head: "HTTP/1.1 200 OK\r\nX-A\r\n\r\n", want: http1.ErrFieldName},
		{name: "bare LF", head: "HTTP/1.1 200 OK\r\nX-A: b\nX-C: d\r\n\r\n", want: http1.ErrBareLF},
		{name: "bare CR", head: "HTTP/1.1 200 OK\r\nX-A: b\rX-C: d\r\n\r\n", want: http1.ErrFieldValue},
		{name: "too many fields", head: "HTTP/1.1 200 OK\r\n" + many + "\r\n", want: http1.ErrTooManyFields},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r http1.Response
			if err := r.Parse(c.head, http1.Limits{}); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if c.want != nil {
				return
			}
			if r.Status != c.status || r.Framing("GET") != c.framing || r.Close != c.close {
				t.Errorf("got %d, %+v, close %v", r.Status, r.Framing("GET"), r.Close)
			}
			if got := r.Framing("HEAD"); got.Kind != http1.NoBody {
				t.Errorf("an answer to HEAD has a body: %+v", got)
			}
		})
	}
}

// FuzzResponse: a head that we take means to net/http what it means to us.
func FuzzResponse(f *testing.F) {
	for _, head := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\nx-a:  c \r\n\r\n", "HTTP/1.0 404\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: close\r\n\r\n",
		"HTTP/1.1 304 \r\nContent-Length: 7\r\nEtag: \"x\"\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, head string) {
		head, _, _ = strings.Cut(head, "\r\n\r\n")
		head += "\r\n\r\n"
		var ours http1.Response
		if ours.Parse(head, http1.Limits{}) != nil || ours.Status < 200 {
			return
		}
		theirs, err := http.ReadResponse(bufio.NewReader(strings.NewReader(head)), nil)
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", head, err)
		}
		if theirs.StatusCode != ours.Status || theirs.ProtoMinor != ours.Minor || theirs.Close && !ours.Close && ours.Framing("GET").Kind != http1.UntilClose {
			t.Errorf("%q: status %d close %v, net/http %d %v", head, ours.Status, ours.Close, theirs.StatusCode, theirs.Close)
		}
		length := int64(-1)
		switch f := ours.Framing("GET"); f.Kind {
		case http1.NoBody:
			length = 0
		case http1.Sized:
			length = f.Length
		}
		if theirs.ContentLength != length || ours.Chunked && ours.Framing("GET").Kind == http1.Chunked && !slices.Equal(theirs.TransferEncoding, []string{"chunked"}) {
			t.Errorf("%q: %+v, net/http %d %v", head, ours.Framing("GET"), theirs.ContentLength, theirs.TransferEncoding)
		}
		sameFields(t, head, ours.Fields, theirs.Header)
	})
}

// sameFields compares headers but for those that net/http takes out of them.
func sameFields(t *testing.T, head string, ours []http1.Field, theirs http.Header) {
	t.Helper()
	got := http.Header{}
	for _, f := range ours {
		switch f.Kind {
		case http1.TransferEncoding, http1.Trailer, http1.ContentLength, http1.Host, http1.Connection:
		default:
			name := http1.CanonicalName(f.Name)
			got[name] = append(got[name], f.Value)
		}
	}
	want := maps.Clone(theirs)
	for _, name := range []string{"Content-Length", "Trailer", "Connection"} {
		delete(want, name)
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		// net/http adds a Cache-Control for an old Pragma (RFC 9111 §5.4).
		if delete(want, "Cache-Control"); !maps.EqualFunc(got, want, slices.Equal) {
			t.Errorf("%q: fields %q, net/http %q", head, got, want)
		}
	}
}

// oneByte gives its reader a byte at a time.
type oneByte struct{ io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.Reader.Read(p[:min(1, len(p))]) }

func TestReaderHead(t *testing.T) {
	for _, c := range []struct {
		name, input string
		want        error
	}{
		{"whole", "HTTP/1.1 200 OK\r\nA: b\r\n\r\nrest", nil},
		{"nothing", "", io.EOF},
		{"cut", "HTTP/1.1 200 OK\r\nA:", io.ErrUnexpectedEOF},
		{"ends with bare LFs", "HTTP/1.1 200 OK\nA: b\n\n", http1.ErrBareLF},
		{"endless", strings.Repeat("a", 70<<10), http1.ErrHeadTooLarge},
		{"large", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("b", 60<<10) + "\r\n\r\nrest", nil},
		{"too large", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("b", 66<<10) + "\r\n\r\n", http1.ErrHeadTooLarge},
	} {
		for _, pieces := range []bool{false, true} {
			var src io.Reader = strings.NewReader(c.input)
			if pieces {
				src = oneByte{src}
			}
			var r http1.Reader
			r.Reset(src)
			head, err := r.Head(http1.Limits{})
			if !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", c.name, err, c.want)
			}
			if err == nil {
				rest, _ := io.ReadAll(&r)
				if string(head)+string(rest) != c.input {
					t.Errorf("%s: %d bytes of head and %q behind", c.name, len(head), rest)
				}
			}
			r.Release()
		}
	}
}

func TestCanonicalName(t *testing.T) {
	for _, name := range []string{"content-type", "ETAG", "x-a", "X-", "-x", "a--b", "x-2fa", strings.Repeat("long-", 20), "www-authenticate"} {
		if got, want := http1.CanonicalName(name), http.CanonicalHeaderKey(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

func TestAppendRefusesToSplit(t *testing.T) {
	var buf []byte
	for _, bad := range []string{"a\r\nb", "a\nb", "a\x00b", "a\x7fb"} {
		if _, err := http1.AppendField(buf, "X", bad); err == nil {
			t.Errorf("value %q was taken", bad)
		}
		if _, err := http1.AppendField(buf, bad, "x"); err == nil {
			t.Errorf("name %q was taken", bad)
		}
		if _, err := http1.AppendRequestLine(buf, "GET", "/"+bad); err == nil {
			t.Errorf("target %q was taken", bad)
		}
		if _, err := http1.AppendRequestLine(buf, bad, "/"); err == nil {
			t.Errorf("method %q was taken", bad)
		}
	}
	got, err := http1.AppendRequestLine(nil, "GET", "/ä?ö=1")
	if want := "GET /%C3%A4?%C3%B6=1 HTTP/1.1\r\n"; err != nil || !bytes.Equal(got, []byte(want)) {
		t.Errorf("got %q, %v", got, err)
	}
}
