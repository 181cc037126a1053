package http1_test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/proxy/http1"
)

// decode reads a body to its end; rest is what is left behind it.
func decode(src io.Reader, f http1.Framing) (body, rest string, trailers []http1.Field, ended bool, err error) {
	var r http1.Reader
	r.Reset(src)
	defer r.Release()
	var b http1.Body
	b.Reset(&r, f)
	for {
		more := b.More()
		had := r.Buffered()
		piece, err := b.Next()
		if more && err == nil && had == 0 {
			return body, "", nil, false, errors.New("More promised what Next had to read")
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return body, "", nil, b.Ended(), err
		}
		body += string(piece)
	}
	left, err := io.ReadAll(&r)
	return body, string(left), b.Trailers(), b.Ended(), err
}

func TestBody(t *testing.T) {
	chunked, sized := http1.Framing{Kind: http1.Chunked}, http1.Framing{Kind: http1.Sized, Length: 5}
	for _, c := range []struct {
		name, wire string
		framing    http1.Framing
		body, rest string
		trailers   int
		want       error
	}{
		{name: "none", wire: "rest", rest: "rest"},
		{name: "sized", wire: "hellorest", framing: sized, body: "hello", rest: "rest"},
		{name: "sized and cut", wire: "hell", framing: sized, body: "hell", want: io.ErrUnexpectedEOF},
		{name: "until close", wire: "hello", framing: http1.Framing{Kind: http1.UntilClose}, body: "hello"},
		{name: "chunked", wire: "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nrest", framing: chunked, body: "hello world", rest: "rest"},
		{name: "extension", wire: "5;a=\"b\"\r\nhello\r\n0\r\n\r\n", framing: chunked, body: "hello"},
		{name: "padded size", wire: "5  \r\nhello\r\n0\r\n\r\n", framing: chunked, body: "hello"},
		{name: "blank before an extension", wire: "5 ; a=\"b\"\r\n", framing: chunked, want: http1.ErrChunk},
		{name: "upper case and zeros", wire: "00A\r\n0123456789\r\n000\r\n\r\n", framing: chunked, body: "0123456789"},
		{name: "trailers", wire: "0\r\nA: b\r\nC: d\r\n\r\nrest", framing: chunked, trailers: 2, rest: "rest"},
		{name: "cut in the size", wire: "5", framing: chunked, want: io.ErrUnexpectedEOF},
		{name: "cut in the data", wire: "5\r\nhel", framing: chunked, body: "hel", want: io.ErrUnexpectedEOF},
		{name: "cut before the end", wire: "5\r\nhello\r\n", framing: chunked, body: "hello", want: io.ErrUnexpectedEOF},
		{name: "cut before the last line", wire: "5\r\nhello\r\n0\r\n", framing: chunked, body: "hello", want: io.ErrUnexpectedEOF},
		{name: "no size", wire: "\r\nhello", framing: chunked, want: http1.ErrChunk},
		{name: "sign", wire: "-5\r\nhello\r\n0\r\n\r\n", framing: chunked, want: http1.ErrChunk},
		{name: "0x", wire: "0x5\r\nhello\r\n0\r\n\r\n", framing: chunked, want: http1.ErrChunk},
		{name: "overflow", wire: "8000000000000000\r\n", framing: chunked, want: http1.ErrChunk},
		{name: "bare LF", wire: "5\nhello\r\n0\r\n\r\n", framing: chunked, want: http1.ErrChunk},
		{name: "data too long", wire: "4\r\nhello\r\n0\r\n\r\n", framing: chunked, body: "hell", want: http1.ErrChunk},
		{name: "endless size", wire: strings.Repeat("0", 300), framing: chunked, want: http1.ErrChunk},
		{name: "endless extension", wire: "5;" + strings.Repeat("a", 300) + "\r\n", framing: chunked, want: http1.ErrChunk},
		{name: "control in the extension", wire: "5;a\rb\r\nhello\r\n0\r\n\r\n", framing: chunked, want: http1.ErrChunk},
		{name: "malformed trailer", wire: "0\r\nA : b\r\n\r\n", framing: chunked, want: http1.ErrTrailers},
		{name: "bare LF in trailers", wire: "0\r\nA: b\n\r\n", framing: chunked, want: http1.ErrTrailers},
		{name: "endless trailers", wire: "0\r\n" + strings.Repeat("A: b\r\n", 5000), framing: chunked, want: http1.ErrTrailers},
	} {
		for _, pieces := range []bool{false, true} {
			var src io.Reader = strings.NewReader(c.wire)
			if pieces {
				src = oneByte{src}
			}
			body, rest, trailers, ended, err := decode(src, c.framing)
			if !errors.Is(err, c.want) || body != c.body || err == nil && (rest != c.rest || len(trailers) != c.trailers) {
				t.Errorf("%s, in pieces %v: %q, rest %q, %d trailers, %v", c.name, pieces, body, rest, len(trailers), err)
			}
			if want := c.want == nil && c.framing.Kind != http1.UntilClose; ended != want {
				t.Errorf("%s: ended is %v", c.name, ended)
			}
		}
	}
}

// FuzzChunked: a chunked body that we take means to net/http what it means to us, however it is cut into reads.
func FuzzChunked(f *testing.F) {
	for _, wire := range []string{"5\r\nhello\r\n0\r\n\r\n", "5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\nrest", "0\r\n\r\n", "a \r\n0123456789\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n"} {
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire string) {
		chunked := http1.Framing{Kind: http1.Chunked}
		body, rest, _, _, err := decode(strings.NewReader(wire), chunked)
		slow, slowRest, _, _, slowErr := decode(oneByte{strings.NewReader(wire)}, chunked)
		if err == nil && (slowErr != nil || slow != body || slowRest != rest) {
			t.Fatalf("%q: %q at once, %q %v byte by byte", wire, body, slow, slowErr)
		}
		if err != nil {
			return
		}
		theirs, err := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(wire)))
		if err != nil || string(theirs) != body {
			t.Errorf("%q: %q, net/http %q, %v", wire, body, theirs, err)
		}
	})
}

// FuzzGuard: whatever passes a Guard's connection is what came, and what net/http reads from it as whole requests is what we read.
func FuzzGuard(f *testing.F) {
	for _, c := range corpus(f) {
		f.Add(c.bytes, c.bytes)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		wire := first + second
		seen := func(src io.Reader) (texts []string) {
			c, _ := (&http1.Guard{Listener: &oneConn{conn: reading{Reader: src}}}).Accept()
			in := bufio.NewReader(c)
			for {
				r, err := http.ReadRequest(in)
				if err != nil {
					return texts
				}
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return texts
				}
				texts = append(texts, r.Method+" "+r.RequestURI+" "+r.Host+" "+string(body))
			}
		}
		whole, pieces := seen(strings.NewReader(wire)), seen(oneByte{strings.NewReader(wire)})
		if len(whole) != len(pieces) {
			t.Fatalf("%q: %q at once, %q byte by byte", wire, whole, pieces)
		}
		if want := strictly(wire); len(want) < len(whole) {
			t.Errorf("%q: net/http reads %q, we %q", wire, whole, want)
		}
	})
}

// strictly reads requests as this package does, until one is no good.
func strictly(wire string) (texts []string) {
	var r http1.Reader
	r.Reset(strings.NewReader(wire))
	for {
		for len(texts) > 0 && strings.HasPrefix(string(r.Bytes()), "\r\n") {
			r.Discard(2)
		}
		head, err := r.Head(http1.Limits{})
		if err != nil {
			return texts
		}
		var request http1.Request
		if request.Parse(string(head), http1.Limits{}) != nil {
			return texts
		}
		var body http1.Body
		body.Reset(&r, request.Framing())
		text := request.Method + " " + request.Target + " " + request.Host + " "
		for {
			piece, err := body.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return texts
			}
			text += string(piece)
		}
		texts = append(texts, text)
	}
}
