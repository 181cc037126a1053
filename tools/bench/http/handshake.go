package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// handshakers are the clients that do handshakes side by side. wrk does not do: it resumes its first session.
const handshakers = 16

// handshakes asks for one path, by a connection and a full handshake each time.
func handshakes(path string) func(context.Context, *process, address, time.Duration) (outcome, error) {
	return func(ctx context.Context, r *process, door address, d time.Duration) (outcome, error) {
		// The one key exchange that every peer has: others would cost the newer ones more.
		config := &tls.Config{RootCAs: r.Roots, ServerName: host, MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519}}
		request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host)
		var (
			times  = make([][]time.Duration, handshakers)
			faults = make([]error, handshakers)
			group  sync.WaitGroup
			began  = time.Now()
		)
		for i := range handshakers {
			group.Go(func() {
				for ctx.Err() == nil && faults[i] == nil && time.Since(began) < d {
					start := time.Now()
					faults[i] = handshake(ctx, door, config, request)
					times[i] = append(times[i], time.Since(start))
				}
			})
		}
		group.Wait()
		took := time.Since(began)
		var all []time.Duration
		for _, some := range times {
			all = append(all, some...)
		}
		return outcome{requests: len(all), took: took, p50: lab.Quantile(all, 0.5), p99: lab.Quantile(all, 0.99)}, errors.Join(append(faults, ctx.Err())...)
	}
}

// handshake makes one connection, asks once and reads to the end.
func handshake(ctx context.Context, door address, config *tls.Config, request []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", door.String())
	if err != nil {
		return err
	}
	conn := tls.Client(raw, config)
	defer conn.Close()
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("shaking hands: %w", err)
	}
	if conn.ConnectionState().DidResume {
		return errors.New("it resumed a session")
	}
	if _, err := conn.Write(request); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) { // a server that closes without a word, after the whole body
		return fmt.Errorf("reading the answer: %w", err)
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) || !bytes.HasSuffix(answer, bytes.Repeat([]byte("x"), 128)) {
		return fmt.Errorf("it answers %q", answer)
	}
	return nil
}
