package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Dialer opens connections for checks. It is the one that requests use, so that checks are refused what requests are refused.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// probe asks a target once. The error says in an operator's words what is wrong; nil is a pass.
func (a *Active) probe(ctx context.Context, t target, terms terms) error {
	ctx, cancel := context.WithTimeout(ctx, terms.timeout)
	defer cancel()
	var err error
	if t.path == "" {
		err = a.connect(ctx, t)
	} else {
		err = a.get(ctx, t, terms)
	}
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", terms.timeout)
	}
	return err
}

// connect is the TCP check: whoever accepts passes.
func (a *Active) connect(ctx context.Context, t target) error {
	conn, err := a.dialer.DialContext(ctx, "tcp", t.addr)
	if err != nil {
		return plainly(err)
	}
	conn.Close()
	return nil
}

// get is the HTTP check. A redirect is an answer like any other, and the body is nobody's concern.
func (a *Active) get(ctx context.Context, t target, terms terms) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.addr+t.path, nil)
	if err != nil {
		return err
	}
	request.Host = t.host
	request.Header.Set("User-Agent", "fairlead-check")
	transport := a.plain
	if t.h2c {
		transport = a.h2c
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return plainly(err)
	}
	response.Body.Close()
	if response.StatusCode < terms.statusMin || response.StatusCode > terms.statusMax {
		return fmt.Errorf("status %d instead of %d-%d", response.StatusCode, terms.statusMin, terms.statusMax)
	}
	return nil
}

// plainly leaves a network error's addresses out: the ephemeral port would make every failure a different one.
func plainly(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return err
}

// transport returns a client that opens a connection for each check: what is checked is also that one can be had.
func transport(dialer Dialer, h2c bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2c)
	protocols.SetUnencryptedHTTP2(h2c)
	return &http.Transport{
		DialContext:            dialer.DialContext,
		Protocols:              protocols,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
		IdleConnTimeout:        time.Second,
	}
}
