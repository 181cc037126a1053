package network

import (
	"os"
	"syscall"
)

// tuneProbes sets the times of keep-alive probes, in seconds, and their number; what is not above zero stays as it is.
func tuneProbes(fd, idle, interval, count int) error {
	for option, value := range map[int]int{syscall.TCP_KEEPIDLE: idle, syscall.TCP_KEEPINTVL: interval, syscall.TCP_KEEPCNT: count} {
		if value <= 0 {
			continue
		}
		if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, option, value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}
