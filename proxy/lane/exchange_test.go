package lane

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/http1"
)

// TestExchangesKeepLittle looks at what a stock holds after a request of many fields: neither them nor the buffers they were in.
func TestExchangesKeepLittle(t *testing.T) {
	s := new(stock)
	x := s.take(&Site{}, time.Now())
	x.text = []byte("GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("Cookie: a\r\n", 20*maxFields) + "\r\n")
	if err := x.req.Parse(view(x.text), http1.Limits{Head: len(x.text), Fields: 30 * maxFields}); err != nil {
		t.Fatal(err)
	}
	x.sort()
	x.out = append(x.out, "not sent"...)
	s.put(x)
	if again := s.take(&Site{}, time.Now()); again != x {
		t.Fatal("the stock has kept nothing")
	}
	if x.req.Host != "" || cap(x.req.Fields) > maxFields || cap(x.cookies) > maxFields || cap(x.text) > maxKept || len(x.out) != 0 {
		t.Errorf("kept: host %q, room for %d fields and %d cookies, %d bytes of text, %d to send",
			x.req.Host, cap(x.req.Fields), cap(x.cookies), cap(x.text), len(x.out))
	}
}
