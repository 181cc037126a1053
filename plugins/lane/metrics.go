package lane

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead/fairlead/proxy/http1"
	door "github.com/fairlead/fairlead/proxy/lane"
)

// httpMetrics are Caddy's metrics of HTTP requests, but for the number of requests in flight: the lane tells of what has ended.
type httpMetrics struct {
	server                                                string
	requests, failures                                    *prometheus.CounterVec
	duration, requestSize, responseSize, responseDuration *prometheus.HistogramVec
}

// joinMetrics finds the metrics in the registry. Caddy makes them when it serves its first request and cannot bear to find them there, so
// it is made to serve one, which ends before it is counted.
func joinMetrics(ctx caddy.Context, server *caddyhttp.Server, config *caddyhttp.Metrics) (*httpMetrics, error) {
	if err := serveNothing(ctx, config); err != nil {
		return nil, err
	}
	m := &httpMetrics{server: server.Name()}
	where, outcome := []string{"server", "handler"}, []string{"server", "handler", "code", "method"}
	sizes := prometheus.ExponentialBuckets(256, 4, 8)
	var inFlight *prometheus.GaugeVec
	registry := ctx.GetMetricsRegistry()
	err := errors.Join(
		existing(registry, &inFlight, prometheus.NewGaugeVec(prometheus.GaugeOpts(options("requests_in_flight", "Number of requests currently handled by this server.")), where)),
		existing(registry, &m.failures, prometheus.NewCounterVec(prometheus.CounterOpts(options("request_errors_total", "Number of requests resulting in middleware errors.")), where)),
		existing(registry, &m.requests, prometheus.NewCounterVec(prometheus.CounterOpts(options("requests_total", "Counter of HTTP(S) requests made.")), where)),
		existing(registry, &m.duration, histogram("request_duration_seconds", "Histogram of round-trip request durations.", prometheus.DefBuckets, outcome)),
		existing(registry, &m.requestSize, histogram("request_size_bytes", "Total size of the request. Includes body", sizes, outcome)),
		existing(registry, &m.responseSize, histogram("response_size_bytes", "Size of the returned response.", sizes, outcome)),
		existing(registry, &m.responseDuration, histogram("response_duration_seconds", "Histogram of times to first byte in response bodies.", prometheus.DefBuckets, outcome)),
	)
	if err != nil {
		return nil, err
	}
	inFlight.DeleteLabelValues("UNKNOWN", "") // the request that was none, of no server
	return m, nil
}

func options(name, help string) prometheus.Opts {
	return prometheus.Opts{Namespace: "caddy", Subsystem: "http", Name: name, Help: help}
}

func histogram(name, help string, buckets []float64, labels []string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "caddy", Subsystem: "http", Name: name, Help: help, Buckets: buckets}, labels)
}

// existing sets to to the collector in the registry that is like the given one.
func existing[C prometheus.Collector](registry *prometheus.Registry, to *C, like C) error {
	err := registry.Register(like)
	var are prometheus.AlreadyRegisteredError
	if !errors.As(err, &are) {
		registry.Unregister(like)
		return fmt.Errorf("this release of Caddy has other metrics than %T %v", like, err)
	}
	found, ok := are.ExistingCollector.(C)
	if !ok {
		return fmt.Errorf("a metric of Caddy is a %T, not a %T", are.ExistingCollector, like)
	}
	*to = found
	return nil
}

// nothing is the panic that ends a request before Caddy counts it.
type nothing struct{}

func serveNothing(ctx caddy.Context, config *caddyhttp.Metrics) (err error) {
	var empty caddyhttp.Route
	if err := empty.ProvisionHandlers(ctx, config); err != nil {
		return err
	}
	end := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { panic(nothing{}) })
	defer func() {
		switch reason := recover(); reason {
		case nothing{}:
		case nil:
		default:
			err = fmt.Errorf("making Caddy's metrics: %v", reason)
		}
	}()
	request, err := http.NewRequest(http.MethodGet, "/", nil)
	if err != nil {
		return err
	}
	return empty.Compile(end).ServeHTTP(nil, request)
}

// observe counts a request once for each route it came through, as Caddy does.
func (m *httpMetrics) observe(handlers []string, r *door.Record) {
	code, method := strconv.Itoa(r.Status), methodLabel(r.Method)
	size := float64(requestSize(r))
	for _, handler := range handlers {
		m.requests.WithLabelValues(m.server, handler).Inc()
		if r.Refusal != nil {
			m.failures.WithLabelValues(m.server, handler).Inc()
		} else {
			m.responseDuration.WithLabelValues(m.server, handler, code, method).Observe((r.Queued + r.Latency).Seconds())
		}
		m.duration.WithLabelValues(m.server, handler, code, method).Observe(r.Duration.Seconds())
		m.requestSize.WithLabelValues(m.server, handler, code, method).Observe(size)
		m.responseSize.WithLabelValues(m.server, handler, code, method).Observe(float64(r.Sent))
	}
}

// methodLabel returns a method as a label, of which there must not be any number. It keeps nothing of the string.
func methodLabel(method string) string {
	if i := slices.Index(methods, method); i >= 0 {
		return methods[i]
	}
	return "OTHER"
}

var methods = []string{"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"}

// requestSize is about what Caddy takes for it: the URL, the method, the version, the fields and the length that they announce.
func requestSize(r *door.Record) int {
	size := len(r.Target) + len(r.Method) + len("HTTP/1.1") + len(r.Host)
	for i := range r.Fields {
		switch f := &r.Fields[i]; f.Kind {
		case http1.Host, http1.TransferEncoding:
		case http1.ContentLength:
			size += len(f.Name) + len(f.Value) + int(r.Received)
		default:
			size += len(f.Name) + len(f.Value)
		}
	}
	return size
}
