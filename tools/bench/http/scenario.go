package main

import (
	"context"
	"fmt"
	"time"
)

// scenario is a way to load a peer.
type scenario struct {
	name  string
	title string
	door  func(*process) address
	load  func(ctx context.Context, r *process, door address, d time.Duration) (outcome, error)
}

// outcome is what a load tells of itself.
type outcome struct {
	requests int
	took     time.Duration
	p50, p99 time.Duration
}

func plain(r *process) address { return r.HTTP }
func ended(r *process) address { return r.TLS }

// scenarios returns all that load a peer, in their order.
func scenarios() []scenario {
	return []scenario{
		{"keepalive", "128 B, kept-alive connections, saturated: `wrk -t1 -c64`", plain, wrk("/128", 64)},
		{"rate", fmt.Sprintf("128 B, kept-alive connections, %d requests a second: `h2load --h1 -t1 -c%d --rps %d`", *rate, rateClients, *rate/rateClients), plain, h2load("/128")},
		{"headers", "128 B and ten headers of a browser, saturated: `wrk -t1 -c64`", plain, wrk("/128", 64, browser...)},
		{"16k", "16 KiB, saturated: `wrk -t1 -c64`", plain, wrk("/16k", 64)},
		{"1m", "1 MiB, saturated: `wrk -t1 -c16`", plain, wrk("/1m", 16)},
		{"tls", "128 B, kept-alive connections by TLS 1.3 (ECDSA P-256), saturated: `wrk -t1 -c64`", ended, wrk("/128", 64)},
		{"handshake", fmt.Sprintf("128 B, a full TLS 1.3 handshake (X25519, ECDSA P-256) for every request, saturated: %d own clients", handshakers), ended, handshakes("/128")},
		{"connection", "128 B, a TCP connection for every request (`Connection: close`), saturated: `wrk -t1 -c64`", plain, wrk("/128", 64, "Connection: close")},
	}
}

// browser is what a browser sends beside Host.
var browser = []string{
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
	"Accept-Language: en-US,en;q=0.5",
	"Accept-Encoding: gzip, deflate, br, zstd",
	"Referer: http://bench.example.com/catalogue/list?page=3",
	"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=1",
	"DNT: 1",
	"Upgrade-Insecure-Requests: 1",
	"Cache-Control: max-age=0",
	"Priority: u=0, i",
}
