package http1

import "net/textproto"

// canonical holds the names that need no new string.
var canonical = func() map[string]string {
	m := map[string]string{}
	for _, name := range []string{
		"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Accept-Ranges", "Access-Control-Allow-Credentials",
		"Access-Control-Allow-Headers", "Access-Control-Allow-Methods", "Access-Control-Allow-Origin",
		"Access-Control-Expose-Headers", "Access-Control-Max-Age", "Age", "Allow", "Alt-Svc", "Authorization", "Cache-Control",
		"Clear-Site-Data", "Connection", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length",
		"Content-Location", "Content-Range", "Content-Security-Policy", "Content-Type", "Cookie", "Cross-Origin-Opener-Policy",
		"Cross-Origin-Resource-Policy", "Date", "Etag", "Expires", "Forwarded", "Grpc-Message", "Grpc-Status", "Host",
		"If-Match", "If-Modified-Since", "If-None-Match", "Keep-Alive", "Last-Modified", "Link", "Location", "Origin",
		"Permissions-Policy", "Pragma", "Proxy-Authenticate", "Referer", "Referrer-Policy", "Retry-After", "Server",
		"Server-Timing", "Set-Cookie", "Strict-Transport-Security", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent",
		"Vary", "Via", "Warning", "Www-Authenticate", "X-Cache", "X-Content-Type-Options", "X-Forwarded-For",
		"X-Forwarded-Host", "X-Forwarded-Proto", "X-Frame-Options", "X-Powered-By", "X-Request-Id", "X-Robots-Tag",
		"X-Xss-Protection",
	} {
		m[name] = name
	}
	return m
}()

// CanonicalName returns a valid field name in the form net/http keys its headers by, without allocating for common names.
func CanonicalName[T text](name T) string {
	var short [64]byte
	if len(name) > len(short) {
		return textproto.CanonicalMIMEHeaderKey(string(name))
	}
	form, first := short[:len(name)], true
	for i := range form {
		c := name[i]
		switch {
		case first && c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		case !first:
			c = lower(c)
		}
		form[i] = c
		first = c == '-'
	}
	if known, ok := canonical[string(form)]; ok {
		return known
	}
	return string(form)
}
