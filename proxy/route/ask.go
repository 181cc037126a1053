package route

import "net/netip"

// Ask is one client's question.
type Ask struct {
	// Host is the name asked for as the client wrote it: a Host header or :authority with or without a port, or a DNS name.
	Host string
	// Peer is the address of the socket's other end. The zero Addr (a Unix socket) is on no access list.
	Peer netip.Addr
	// Forwarded and XForwardedFor are the values of those headers, every line of them; nil where the door knows none.
	Forwarded, XForwardedFor []string
	// Early says that the request may have come as early data of TLS (RFC 8470): until the handshake is complete nobody has proven that
	// the peer's address is theirs.
	Early bool
	// Path is the path of the request, for explain and hashing only.
	Path string
}
