package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

const (
	// first is how many connections a peer has served before its memory is read: what it makes once is no connection's.
	first = 16
	// calm is how long memory must not have changed by more than a hundredth before it is read, time enough to give back what is not
	// used any more, and patience the most to wait for that.
	calm, patience = 7 * time.Second, 30 * time.Second
)

// measureIdle measures the memory of idle connections, in peers that are started for each measurement. The settings should have a
// small catalogue: half of a Go program's heap may be free, and what connections take must not disappear in that.
func measureIdle(ctx context.Context, tb lab.TB, peers []*peer, s settings, wanted map[string]bool, of map[string]samples) {
	doors := map[string]func(*process) address{"idle": plain, "idle-tls": ended}
	for range *rounds {
		for _, p := range peers {
			for name, door := range doors {
				if !wanted[name] {
					continue
				}
				if of[name] == nil {
					of[name] = samples{}
				}
				perConnection, before := idleMemory(ctx, tb, p, s, *idle, door)
				of[name][p.name] = append(of[name][p.name], sample{each: perConnection / (1 << 10), memory: before / (1 << 20)})
			}
		}
	}
	if wanted["idle"] || wanted["idle-tls"] {
		printIdle(*idle, peers, of["idle"], of["idle-tls"])
	}
}

// idleMemory returns the bytes that each of n idle connections takes in a peer that was just started. Each has been used once.
func idleMemory(ctx context.Context, tb lab.TB, p *peer, s settings, n int, door func(*process) address) (perConnection, before float64) {
	r := p.start(ctx, tb, s)
	defer r.stop()
	closeFirst, err := hold(ctx, r, door(r), first)
	closeFirst()
	if err != nil {
		tb.Fatalf("%s: %v", p.name, err)
	}
	without := settled(ctx, tb, r)
	closeAll, err := hold(ctx, r, door(r), n)
	defer closeAll()
	if err != nil {
		tb.Fatalf("%s: %v", p.name, err)
	}
	return float64(settled(ctx, tb, r)-without) / float64(n), float64(without)
}

// hold opens n connections, one after another, uses each once, and returns what closes them.
func hold(ctx context.Context, r *process, door address, n int) (closeAll func(), err error) {
	var conns []net.Conn
	closeAll = func() {
		for _, c := range conns {
			c.Close()
		}
	}
	dial := (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	if door.TLS {
		dial = (&tls.Dialer{Config: &tls.Config{RootCAs: r.Roots, ServerName: host, CurvePreferences: []tls.CurveID{tls.X25519}}}).DialContext
	}
	for range n {
		conn, err := dial(ctx, "tcp", door.String())
		if err != nil {
			return closeAll, err
		}
		conns = append(conns, conn)
		if err := askOnce(conn); err != nil {
			return closeAll, err
		}
	}
	return closeAll, nil
}

// askOnce sends a request, reads its answer and leaves the connection open.
func askOnce(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "GET /128 HTTP/1.1\r\nHost: %s\r\n\r\n", host); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK || resp.Close {
		return fmt.Errorf("it answers %s, and closes: %t", resp.Status, resp.Close)
	}
	return nil
}

// settled returns a peer's memory once it is calm.
func settled(ctx context.Context, tb lab.TB, r *process) int64 {
	since, last := time.Now(), int64(0)
	for end := time.Now().Add(patience); ; {
		now, err := r.memory()
		if err != nil {
			tb.Fatalf("reading the memory of %s: %v", r.cmd.Path, err)
		}
		if change := now - last; max(change, -change) > last/100 {
			since, last = time.Now(), now
		}
		if time.Since(since) > calm || time.Now().After(end) || ctx.Err() != nil {
			return now
		}
		time.Sleep(100 * time.Millisecond)
	}
}
