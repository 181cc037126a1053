package lane

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/fairlead/fairlead/plugins/exchange"
	"github.com/fairlead/fairlead/proxy/forward"
	"github.com/fairlead/fairlead/proxy/http1"
	door "github.com/fairlead/fairlead/proxy/lane"
)

// accessLog writes Caddy's access log of one server.
type accessLog struct {
	server *caddyhttp.Server
	to     *zap.Logger
	altSvc func() string // nil without HTTP/3
}

// httpApp has the name that Caddy's loggers of HTTP begin with.
type httpApp struct{}

// CaddyModule implements caddy.Module.
func (httpApp) CaddyModule() caddy.ModuleInfo { return caddy.ModuleInfo{ID: "http"} }

func newAccessLog(ctx caddy.Context, server *caddyhttp.Server, altSvc func() string) *accessLog {
	return &accessLog{server, ctx.Logger(httpApp{}).Named("log.access"), altSvc}
}

// write logs a request as Caddy's server does it.
func (a *accessLog) write(r *door.Record) {
	host := strings.ToLower(withoutPort(r.Host))
	if !a.wanted(host) {
		return
	}
	level := zapcore.InfoLevel
	if r.Status >= 500 {
		level = zapcore.ErrorLevel
	}
	var request *http.Request
	for _, name := range a.names(host) {
		logger := a.to
		if name != "" {
			logger = logger.Named(name)
		}
		entry := logger.Check(level, "handled request")
		if entry == nil {
			continue
		}
		if request == nil {
			request = a.request(r)
		}
		entry.Write(a.fields(r, request)...)
	}
}

// wanted reports whether requests for a host are logged.
func (a *accessLog) wanted(host string) bool {
	logs := a.server.Logs
	for name := range logs.LoggerNames {
		if certmagic.MatchWildcard(host, name) {
			return true
		}
	}
	for _, skipped := range logs.SkipHosts {
		if certmagic.MatchWildcard(host, skipped) {
			return false
		}
	}
	return !logs.SkipUnmappedHosts
}

// names returns the loggers of a host: its own, or those of the first wildcard that it fits.
func (a *accessLog) names(host string) []string {
	logs := a.server.Logs
	if names, ok := logs.LoggerNames[host]; ok {
		return names
	}
	labels := strings.Split(host, ".")
	for i := range labels {
		if labels[i] == "" {
			continue
		}
		labels[i] = "*"
		if names, ok := logs.LoggerNames[strings.Join(labels, ".")]; ok {
			return names
		}
	}
	return []string{logs.DefaultLoggerName}
}

func (a *accessLog) fields(r *door.Record, request *http.Request) []zapcore.Field {
	credentials := a.server.Logs.ShouldLogCredentials
	return []zapcore.Field{
		zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: request, ShouldLogCredentials: credentials}),
		zap.Int("bytes_read", int(r.Received)),
		zap.String("user_id", ""),
		zap.Duration("duration", r.Duration),
		zap.Int("size", int(r.Sent)),
		zap.Int("status", r.Status),
		zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{Header: a.answered(r), ShouldLogCredentials: credentials}),
		zap.Object("fairlead", exchanged(r)),
	}
}

// request makes of a record what net/http would have made of the request.
func (a *accessLog) request(r *door.Record) *http.Request {
	request := &http.Request{
		Method: strings.Clone(r.Method), Host: strings.Clone(r.Host), RequestURI: strings.Clone(r.Target), RemoteAddr: r.Remote.String(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header(r.Fields),
	}
	request.Header.Del("Host")
	if coding, ok := request.Header["Transfer-Encoding"]; ok {
		request.TransferEncoding = coding
		request.Header.Del("Transfer-Encoding")
	}
	var err error
	if request.URL, err = url.ParseRequestURI(request.RequestURI); err != nil {
		request.URL = &url.URL{Path: request.RequestURI}
	}
	if r.Secure {
		request.TLS = &tls.ConnectionState{ServerName: strings.Clone(r.SNI)}
		if c, ok := r.Conn.(connectionStater); ok {
			state := c.ConnectionState()
			request.TLS = &state
		}
	}
	return caddyhttp.PrepareRequest(request, caddy.NewReplacer(), nil, a.server)
}

// answered returns the fields of the response as the client got them.
func (a *accessLog) answered(r *door.Record) http.Header {
	h := header(r.Response)
	for i := range r.Response {
		switch f := &r.Response[i]; f.Kind {
		case http1.Other, http1.ContentLength:
		default:
			h.Del(f.Name)
		}
	}
	if r.Refusal != nil {
		h.Set(door.ReasonField, r.Refusal.Word())
		if wait := r.Refusal.RetryAfter; wait > 0 {
			h.Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
		}
	}
	if h.Get("Server") == "" {
		h["Server"] = []string{caddyhttp.ServerHeader}
	}
	if a.altSvc != nil {
		h.Add("Alt-Svc", a.altSvc())
	}
	return h
}

// header copies fields into net/http's form: a record's strings change when it has ended, and a log may be written later.
func header(fields []http1.Field) http.Header {
	h := make(http.Header, len(fields))
	for i := range fields {
		h.Add(strings.Clone(fields[i].Name), strings.Clone(fields[i].Value))
	}
	return h
}

// exchanged shows the record as the handler would show its outcome.
func exchanged(r *door.Record) *exchange.Exchange {
	e := &exchange.Exchange{Outcome: forward.Outcome{
		Domain: r.Domain, Pool: r.Pool, Member: r.Member, Attempts: r.Attempts, Queued: r.Queued, Latency: r.Latency,
		Status: r.Status, Sent: r.Received, Received: r.Sent, Problem: r.Problem,
	}}
	if r.Refusal != nil {
		e.Code = r.Refusal.Word()
	}
	return e
}
