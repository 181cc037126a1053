//go:build !linux

package nameserver

import "net"

// pinSource reports that this system's sockets choose the source of an answer by routing; listen on single addresses there.
func pinSource(*net.UDPConn) bool { return false }

func replySource([]byte) []byte { return nil }
