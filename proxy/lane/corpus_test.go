package lane_test

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/lane"
	"github.com/fairlead/fairlead/tools/lab"
)

// attack is one case of the corpus.
type attack struct {
	name string
	// verdict is a status, "handed" or "served"; what the member sees is seen.
	verdict, bytes string
	seen           []string
	// left is where what is handed over begins, if not with the first byte.
	left int
}

// corpus reads the cases: a name, the verdict, the bytes as quoted strings, and in lines that begin with ">" what the member sees. A line
// that is a bar alone marks where the part that is handed over begins.
func corpus(t *testing.T) (attacks []attack) {
	t.Helper()
	text, err := os.ReadFile("testdata/corpus.txt")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		if strings.HasPrefix(lines[0], "#") {
			continue
		}
		a := attack{name: lines[0], verdict: lines[1]}
		for _, line := range lines[2:] {
			switch {
			case strings.HasPrefix(line, ">"):
				a.seen = append(a.seen, strings.TrimPrefix(line, "> "))
				continue
			case line == "|":
				a.left = len(a.bytes)
				continue
			}
			times := 1
			if !strings.HasPrefix(line, `"`) {
				number, rest, _ := strings.Cut(line, " * ")
				times, _ = strconv.Atoi(number)
				line = rest
			}
			part, err := strconv.Unquote(line)
			if err != nil {
				t.Fatalf("%s: %s: %v", a.name, line, err)
			}
			a.bytes += strings.Repeat(part, times)
		}
		attacks = append(attacks, a)
	}
	if len(attacks) < 60 {
		t.Fatalf("the corpus has %d cases only", len(attacks))
	}
	return attacks
}

// TestCorpus gives every case of smuggling and desynchronisation its verdict: refused and counted, handed over with every byte unread, or
// served. Members see what they are meant to see and nothing besides.
func TestCorpus(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		for _, buffer := range []string{"65536", "0"} {
			seen := new(lab.Recorder)
			d := newDoor(t, engine, map[string]string{"retry_buffer": buffer, "stall_timeout": "300ms"}, []string{scripted(t, func(c *wire) { seen.Serve(c.Conn) })})
			for _, a := range corpus(t) {
				t.Run(a.name+", buffer "+buffer, func(t *testing.T) {
					for _, step := range []int{len(a.bytes), 7} {
						if len(a.bytes) > 2000 && step == 7 {
							continue
						}
						a.try(t, d, step)
						d.settled(t)
						requests, broken := seen.Taken()
						for i, r := range requests {
							requests[i] = strings.TrimSpace(r) // one without a body
						}
						if strings.Join(requests, "|") != strings.Join(a.seen, "|") || len(broken) > 0 {
							t.Errorf("in steps of %d: the member saw %q, broken %q; want %q", step, requests, broken, a.seen)
						}
					}
				})
			}
		}
	})
}

// try sends a case in pieces of at most step bytes, and checks the verdict.
func (a *attack) try(t *testing.T, d *door, step int) {
	w := d.dial(t)
	defer w.Close()
	for rest := a.bytes; rest != ""; {
		n := min(step, len(rest))
		if _, err := io.WriteString(w.Conn, rest[:n]); err != nil {
			break // it was refused before its end
		}
		rest = rest[n:]
	}
	answered := len(a.seen) // in order: those served come first
	switch {
	case a.verdict == "handed":
		h := next(t, d.handed)
		got := h.unread
		h.SetReadDeadline(time.Now().Add(10 * time.Second))
		if missing := len(a.bytes) - a.left - len(got); missing > 0 {
			rest := make([]byte, missing)
			n, _ := io.ReadFull(h, rest)
			got += string(rest[:n])
		}
		if got != a.bytes[a.left:] {
			t.Errorf("handed over with %q unread", got)
		}
		h.Close()
	case a.verdict != "served":
		for range answered {
			if resp, body := w.answer(t, "GET"); resp.StatusCode != 200 || body != "ok" {
				t.Errorf("answered %s %q before the verdict", resp.Status, body)
			}
		}
		resp, err := http.ReadResponse(w.Reader, nil)
		if err != nil {
			t.Fatalf("no answer: %v", err)
		}
		if got := strconv.Itoa(resp.StatusCode); got != a.verdict || !resp.Close {
			t.Errorf("answered %s, close %t", got, resp.Close)
		}
		io.Copy(io.Discard, resp.Body)
		if why := a.counted(t, d); why != "" {
			t.Error(why)
		}
		return
	}
	for range answered {
		if resp, body := w.answer(t, "GET"); resp.StatusCode != 200 || body != "ok" {
			t.Errorf("answered %s %q", resp.Status, body)
		}
	}
}

// counted checks that a refusal is counted: as a connection turned away, or as a request with its reason.
func (a *attack) counted(t *testing.T, d *door) string {
	timeout := time.After(10 * time.Second)
	for {
		select {
		case why := <-d.turned:
			want := lane.Malformed
			if a.verdict == "431" {
				want = lane.HeadTooLarge
			}
			if why != want {
				return "counted as " + string(why)
			}
			return ""
		case r := <-d.ended:
			if r.Refusal != nil && r.Refusal.Word() == "bad_request" {
				return ""
			}
		case <-timeout:
			return "not counted"
		}
	}
}

// settled waits until no connection is open, and forgets what was told.
func (d *door) settled(t *testing.T) {
	t.Helper()
	eventually(t, func() string {
		if n := d.listener.Connections(); n > 0 {
			return strconv.Itoa(n) + " connections are open"
		}
		return ""
	})
	for len(d.turned) > 0 {
		<-d.turned
	}
	for len(d.ended) > 0 {
		<-d.ended
	}
}
