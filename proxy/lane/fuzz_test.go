package lane

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/proxy/pool"
)

// corpusBytes returns the bytes of the corpus' cases.
func corpusBytes(t testing.TB) (all []string) {
	t.Helper()
	text, err := os.ReadFile("testdata/corpus.txt")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		bytes := ""
		for line := range strings.SplitSeq(block, "\n") {
			if part, err := strconv.Unquote(line); err == nil {
				bytes += part
			}
		}
		all = append(all, bytes)
	}
	return all
}

var scriptSettings = pool.Settings{"retries": "0", "eject_failures": "0"}

// FuzzSplits checks that it makes no difference in what pieces a client's bytes come.
func FuzzSplits(f *testing.F) {
	for _, bytes := range corpusBytes(f) {
		f.Add(bytes, []byte{0}, true)
		f.Add(bytes, []byte{3, 0, 40, 1}, false)
	}
	buffered := scriptTable(f, scriptSettings)
	streamed := scriptTable(f, pool.Settings{"retries": "0", "retry_buffer": "0", "eject_failures": "0"})
	const answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n"
	f.Fuzz(func(t *testing.T, bytes string, split []byte, small bool) {
		table := streamed
		if small {
			table = buffered
		}
		want := play(table, bytes, answer, false, nil)
		got := play(table, bytes, answer, false, split)
		// How a streamed body is cut into chunks is up to its pieces, and so are the chunks of the answer.
		if a, b := decoded(want), decoded(got); a != b {
			t.Errorf("in one piece\n%q\nin pieces\n%q", a, b)
		}
	})
}

// decoded is whole with the bodies of both sides decoded.
func decoded(s *script) string {
	text := "client"
	in := bufio.NewReader(strings.NewReader(s.client.got.String()))
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			break
		}
		body, err := io.ReadAll(resp.Body)
		text += " " + resp.Status + " " + string(body)
		if err != nil {
			text += " cut"
		}
	}
	for _, m := range s.members {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(m.got.String())))
		if err != nil {
			text += "\nmember " + err.Error()
			continue
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			body = []byte("cut") // after how much depends on the pieces
		}
		text += "\nmember " + r.Method + " " + r.RequestURI + " " + string(body)
	}
	return text
}

// FuzzResponses checks that whatever a member says, the client gets a whole response, or none that looks whole; in whatever pieces.
func FuzzResponses(f *testing.F) {
	for _, answer := range []string{
		"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "HTTP/1.1 200 OK\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nX", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 304 X\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nhello", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
		"HTTP/1.1 200 OK\r\nConnection: close, x\r\nX: y\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n", strings.Repeat("HTTP/1.1 103 x\r\n\r\n", 20),
	} {
		for _, closes := range []bool{false, true} {
			f.Add(answer, []byte{0}, closes, false)
			f.Add(answer, []byte{7, 1, 0, 90}, closes, true)
		}
	}
	table := scriptTable(f, scriptSettings)
	f.Fuzz(func(t *testing.T, answer string, split []byte, closes, head bool) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		s := play(table, method+" / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", answer, closes, split)
		in := bufio.NewReader(strings.NewReader(answer))
		wantBody, whole := "", false
		for {
			resp, err := http.ReadResponse(in, &http.Request{Method: method})
			if err != nil {
				break
			}
			if resp.StatusCode < 200 {
				continue
			}
			body, err := io.ReadAll(resp.Body)
			// A body until close is whole only where the member has closed.
			delimited := resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0 || head || resp.StatusCode == 204 || resp.StatusCode == 304
			wantBody, whole = string(body), err == nil && (delimited || closes)
			break
		}
		out := bufio.NewReader(strings.NewReader(s.client.got.String()))
		for {
			resp, err := http.ReadResponse(out, &http.Request{Method: method})
			if err != nil {
				if !s.client.ended {
					t.Fatalf("no response, and the connection goes on: %q", s.client.got.String())
				}
				return
			}
			if resp.StatusCode < 200 {
				continue
			}
			body, err := io.ReadAll(resp.Body)
			switch {
			case resp.Header.Get("Fairlead-Reason") != "" && resp.StatusCode >= 500 && resp.ContentLength <= 0 && err == nil:
				// Nobody says that it was whole.
			case err != nil && !s.client.aborted:
				t.Fatalf("cut without an abort: %q", s.client.got.String())
			case err == nil && (!whole || string(body) != wantBody):
				t.Fatalf("the member said %q, the client got %q", answer, s.client.got.String())
			}
			if rest, _ := io.ReadAll(out); len(rest) > 0 {
				t.Fatalf("behind the response came %q", rest)
			}
			return
		}
	})
}
