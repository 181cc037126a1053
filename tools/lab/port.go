package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Ports come from below those that Linux gives to outgoing connections (ip_local_port_range, from 32768 on): a program that was ended
// finds its port free when it starts again, and a client that dials it meanwhile is never connected to itself.
const (
	firstPort = 12000
	endPort   = 32000
)

// given are the ports this process has had: who asks for several binds none before the last.
var given struct {
	sync.Mutex
	ports map[int]bool
}

// Port returns a port of 127.0.0.1 that nobody has, TCP and UDP, and that this process was not given before.
func Port() (int, error) {
	given.Lock()
	defer given.Unlock()
	if given.ports == nil {
		given.ports = map[int]bool{}
	}
	for range 1000 {
		port := firstPort + rand.N(endPort-firstPort)
		if given.ports[port] {
			continue
		}
		given.ports[port] = true
		if free(port) {
			return port, nil
		}
	}
	return 0, errors.New("finding a free port: none in a thousand tries")
}

func free(port int) bool {
	address := fmt.Sprintf("127.0.0.1:%d", port)
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	defer l.Close()
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// FreePort is Port for a test.
func FreePort(tb TB) int {
	tb.Helper()
	port, err := Port()
	if err != nil {
		tb.Fatalf("%v", err)
	}
	return port
}
