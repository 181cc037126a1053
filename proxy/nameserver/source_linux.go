package nameserver

import (
	"net"
	"syscall"
)

// pinSource has the kernel tell, with every packet, which of our addresses it was sent to, where the socket listens on all of
// them: an answer from another one is no answer to the client. It reports whether it does.
func pinSource(conn *net.UDPConn) bool {
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok || !local.IP.IsUnspecified() {
		return false
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		if failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_RECVPKTINFO, 1); failed != nil {
			failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_PKTINFO, 1)
		}
	})
	return err == nil && failed == nil
}

// replySource turns the one control message of a received packet, in place, into that of its answer. The kernel's structures
// in_pktinfo (ip(7)) and in6_pktinfo (ipv6(7)) are the same both ways, but for the interface: it is left to routing, save for
// link-local addresses, which mean nothing without it.
func replySource(control []byte) []byte {
	head := syscall.CmsgLen(0)
	switch len(control) {
	case syscall.CmsgSpace(syscall.SizeofInet4Pktinfo):
		clear(control[head : head+4])
		return control
	case syscall.CmsgSpace(syscall.SizeofInet6Pktinfo):
		info := control[head : head+syscall.SizeofInet6Pktinfo]
		if !net.IP(info[:16]).IsLinkLocalUnicast() {
			clear(info[16:])
		}
		return control
	}
	return nil
}
