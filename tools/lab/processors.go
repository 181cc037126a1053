package lab

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTick is the unit of /proc's CPU times on every Linux Go runs on (USER_HZ, proc(5)).
const clockTick = time.Second / 100

// Processors is the time that the machine's processors have spent, from its start.
type Processors struct{ all, busy, own time.Duration }

// ReadProcessors reads it from /proc/stat, and with it what this program has used, with its children and those that have ended.
func ReadProcessors() (Processors, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Processors{}, fmt.Errorf("reading the processors' time: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return Processors{}, fmt.Errorf("reading the processors' time: unexpected %q", line)
	}
	var p Processors
	for i, field := range fields[1:9] { // user, nice, system, idle, iowait, irq, softirq, steal (proc_stat(5))
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return Processors{}, fmt.Errorf("reading the processors' time: %w", err)
		}
		d := time.Duration(ticks) * clockTick
		p.all += d
		if i != 3 && i != 4 {
			p.busy += d
		}
	}
	if p.own, err = CPU(os.Getpid()); err != nil {
		return Processors{}, err
	}
	var ended syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &ended); err != nil {
		return Processors{}, fmt.Errorf("reading the time of the children that ended: %w", err)
	}
	p.own += time.Duration(ended.Utime.Nano() + ended.Stime.Nano())
	return p, nil
}

// Others returns the share of the processors' time since then that went to other programs, in percent: times grow with it.
func (p Processors) Others(then Processors) float64 {
	if p.all == then.all {
		return 0
	}
	taken := (p.busy - then.busy) - (p.own - then.own)
	return max(0, 100*float64(taken)/float64(p.all-then.all))
}
