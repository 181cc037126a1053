package lane

import (
	"net/http"
	"sync/atomic"
	"time"
)

// date is the Date field of one second.
type date struct {
	second int64
	line   string
}

var today atomic.Pointer[date]

// appendDate appends the Date field (RFC 9110 §6.6.1), made once a second.
func appendDate(dst []byte, now time.Time) []byte {
	second := now.Unix()
	d := today.Load()
	if d == nil || d.second != second {
		d = &date{second: second, line: "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n"}
		today.Store(d)
	}
	return append(dst, d.line...)
}
