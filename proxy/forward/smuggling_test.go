package forward_test

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/tools/lab"
)

// Behind a Guard every case is refused with 400 and members see nothing of it. Without one, net/http answers some of them: then
// members see one well-formed request, and never the one that was smuggled.
func TestSmuggling(t *testing.T) {
	text, err := os.ReadFile("../http1/testdata/requests.txt")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		if strings.HasPrefix(lines[0], "#") {
			continue
		}
		status, _ := strconv.Atoi(lines[1])
		request := ""
		for _, quoted := range lines[2:] {
			part, err := strconv.Unquote(quoted)
			if err != nil {
				t.Fatal(err)
			}
			request += part
		}
		for _, buffer := range []string{"65536", "0"} {
			t.Run(lines[0]+"/guarded, buffer "+buffer, func(t *testing.T) {
				t.Parallel()
				requests, broken, got := sendRaw(t, request, buffer, guarded)
				if got != status {
					t.Errorf("answered %d, want %d", got, status)
				}
				if want := btoi(status == 200); len(requests) != want || len(broken) != 0 {
					t.Errorf("the member saw %q, broken %q", requests, broken)
				}
			})
			t.Run(lines[0]+"/bare, buffer "+buffer, func(t *testing.T) {
				t.Parallel()
				requests, broken, got := sendRaw(t, request, buffer)
				if len(broken) != 0 || got >= 500 && got != http.StatusNotImplemented && got != http.StatusHTTPVersionNotSupported {
					t.Errorf("answered %d, the member saw %q, broken %q", got, requests, broken)
				}
				// What follows an ambiguous message is a request of its own to net/http, which had better not be joined to another's.
				for _, r := range requests[min(1, len(requests)):] {
					if !strings.HasPrefix(r, "GET /smuggled ") {
						t.Errorf("the member saw %q", requests)
					}
				}
			})
		}
	}
}

// A body that is not as long as its Content-Length says is HTTP/3's to send: quic-go takes the end of a stream for the body's. A member
// that answers without waiting for the rest would take the next request on the connection, which is another client's, for it.
func TestBodiesOfAnotherLength(t *testing.T) {
	const said, sent = 100_000, 70_000
	for name, body := range map[string]string{
		"shorter": strings.Repeat("a", sent),
		"longer":  strings.Repeat("a", said) + "GET /smuggled HTTP/1.1\r\nHost: shop.example.com\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			heads, rest := make(chan string, 10), make(chan string, 10)
			addr := rawBackend(t, func(c *wire) {
				head, err := c.readHead()
				if err != nil {
					return
				}
				heads <- head
				if strings.HasPrefix(head, "POST") {
					io.CopyN(io.Discard, c.Reader, sent)
					time.Sleep(50 * time.Millisecond) // the rest of what is sent
				}
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				more, _ := io.ReadAll(c.Reader)
				rest <- string(more)
			})
			p := newProxy(t, pool.Settings{"retries": "0", "response_timeout": "1s"}, []string{addr})
			p.Server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "POST" {
					r.ContentLength, r.Body = said, io.NopCloser(strings.NewReader(body))
				}
				p.serve(w, r)
			})
			resp, err := p.Client().Do(p.request("POST", "/", nil))
			if err == nil {
				resp.Body.Close()
			}
			if head := <-heads; !strings.HasPrefix(head, "POST / ") || !strings.Contains(head, "Content-Length: 100000\r\n") {
				t.Fatalf("the member saw %q", head)
			}
			if resp, _ := p.do(t, p.request("GET", "/next", nil)); resp.StatusCode != 200 {
				t.Errorf("the next client is answered %d", resp.StatusCode)
			}
			if more := <-rest; strings.Contains(more, "GET") || len(more) > said-sent {
				t.Errorf("behind the body the member saw %d bytes more: %q", len(more), more[max(0, len(more)-100):])
			}
			select {
			case head := <-heads:
				if !strings.HasPrefix(head, "GET /next ") {
					t.Errorf("the member saw %q", head)
				}
			default:
				t.Error("the next request came on no connection of its own")
			}
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// sendRaw sends bytes through a proxy and returns what the member saw, and the status of the first answer.
func sendRaw(t *testing.T, request, buffer string, options ...option) (requests, broken []string, status int) {
	t.Helper()
	seen := new(lab.Recorder)
	p := newProxy(t, pool.Settings{"retry_buffer": buffer, "stall_timeout": "50ms"}, []string{rawBackend(t, func(c *wire) { seen.Serve(c.Conn) })}, options...)
	c := p.dial(t)
	go io.WriteString(c, request)
	resp, err := http.ReadResponse(c.Reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // for answers to what should not be there
	io.Copy(io.Discard, c)
	requests, broken = seen.Taken()
	return requests, broken, resp.StatusCode
}
