package lab

import (
	"errors"
	"io"
	"net"
	"sync"

	"github.com/fairlead/fairlead/proxy/http1"
)

// Recorder is a member that notes every request and answers each that it can read. It reads as strictly as can be, so that what was
// smuggled to it is seen.
type Recorder struct {
	mu               sync.Mutex
	requests, broken []string
}

// Serve reads requests until the connection ends, or one is broken.
func (r *Recorder) Serve(c net.Conn) {
	var in http1.Reader
	in.Reset(c)
	defer in.Release()
	for {
		head, err := in.Head(http1.Limits{})
		if errors.Is(err, http1.ErrBareLF) || errors.Is(err, http1.ErrHeadTooLarge) {
			r.note(&r.broken, err.Error())
		}
		if err != nil {
			return
		}
		text := string(head)
		var request http1.Request
		if err := request.Parse(text, http1.Limits{}); err != nil {
			r.note(&r.broken, text+": "+err.Error())
			return
		}
		var body http1.Body
		body.Reset(&in, request.Framing())
		content := ""
		for {
			piece, err := body.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return // the sender broke off, as it should
			}
			content += string(piece)
		}
		r.note(&r.requests, request.Method+" "+request.Target+" "+content)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
}

func (r *Recorder) note(list *[]string, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*list = append(*list, text)
}

// Taken returns the requests noted so far, as "METHOD target body", and what was none, and forgets them.
func (r *Recorder) Taken() (requests, broken []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	requests, broken = r.requests, r.broken
	r.requests, r.broken = nil, nil
	return requests, broken
}
