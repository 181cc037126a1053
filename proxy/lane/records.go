package lane

import "encoding/binary"

// records follows the records of TLS in what is read from a connection, from its first byte (RFC 8446 section 5.1): crypto/tls does not
// say whether it holds back something that it has read.
type records struct {
	ended  uint64 // how many have been read to their ends
	header [5]byte
	have   int // of the header
	left   int // bytes to come behind the header
}

// follow is told what was read.
func (r *records) follow(p []byte) {
	for len(p) > 0 {
		if r.have < len(r.header) {
			n := copy(r.header[r.have:], p)
			r.have, p = r.have+n, p[n:]
			if r.have < len(r.header) {
				return
			}
			r.left = int(binary.BigEndian.Uint16(r.header[3:]))
		}
		n := min(r.left, len(p))
		r.left, p = r.left-n, p[n:]
		if r.left == 0 {
			r.have = 0
			r.ended++
		}
	}
}
