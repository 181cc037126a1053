package forward

import (
	"net/http"
	"net/url"

	"github.com/fairlead/fairlead/proxy/http1"
)

// unsound says what is wrong with a request that net/http let through; empty for nothing. What net/http has already resolved, such as
// Content-Length beside Transfer-Encoding, cannot be seen here any more: http1.Guard refuses that on the wire. It can do no harm to
// members in any case, since every message is framed anew.
func unsound(r *http.Request) string {
	switch {
	case !http1.ValidName(r.Method):
		return "malformed method"
	case len(r.TransferEncoding) > 1, len(r.TransferEncoding) == 1 && r.TransferEncoding[0] != "chunked":
		return "transfer encoding is not exactly chunked"
	case len(r.Header["Content-Length"]) > 1:
		return "more than one Content-Length"
	case len(r.TransferEncoding) == 1 && len(r.Header["Content-Length"]) > 0:
		return "both Content-Length and Transfer-Encoding"
	case len(r.TransferEncoding) == 1 && !r.ProtoAtLeast(1, 1):
		return "transfer encoding in HTTP/1.0"
	case r.Method == http.MethodTrace && r.ContentLength != 0:
		return "TRACE with a body"
	}
	return unsoundTarget(r.URL)
}

func unsoundTarget(u *url.URL) string {
	if u.Fragment != "" {
		return "fragment in the request target"
	}
	if u.RawQuery != "" && !http1.ValidTarget(u.RawQuery) {
		return "control character or fragment in the request target"
	}
	return ""
}
