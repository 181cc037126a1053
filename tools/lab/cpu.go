package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns the CPU time a process and its children have used, user and system together.
func CPU(pid int) (time.Duration, error) { return sum(pid, cpuOf) }

// PSS returns the proportional set size of a process and its children, in bytes: memory that several share counts once.
func PSS(pid int) (int64, error) { return sum(pid, pssOf) }

// RSS returns the resident set size of a process and its children, in bytes.
func RSS(pid int) (int64, error) { return sum(pid, rssOf) }

// sum adds up what of says of a process and its children.
func sum[N ~int64](pid int, of func(pid int) (N, error)) (N, error) {
	total, err := of(pid)
	if err != nil {
		return 0, err
	}
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is well formed
	for _, file := range children {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for field := range strings.FieldsSeq(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return 0, fmt.Errorf("reading %s: %w", file, err)
			}
			if n, err := sum(child, of); err == nil {
				total += n
			}
		}
	}
	return total, nil
}

// cpuOf asks the process's own clock, which counts nanoseconds where /proc/PID/stat counts ticks of 10 ms, with all threads, those that
// have ended too. How a process becomes the number of its clock is in clock_getcpuclockid(3) and in the kernel's posix-timers_types.h.
func cpuOf(pid int) (time.Duration, error) {
	const scheduled = 2
	var used unix.Timespec
	if err := unix.ClockGettime(^int32(pid)<<3|scheduled, &used); err != nil {
		return 0, fmt.Errorf("reading the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(used.Nano()), nil
}

func pssOf(pid int) (int64, error) { return memory(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:") }

func rssOf(pid int) (int64, error) { return memory(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Rss:") }

// memory reads a line of /proc in KiB, and returns bytes.
func memory(file, name string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(text), "\n"+name)
	fields := strings.Fields(rest)
	if !ok || len(fields) == 0 {
		return 0, fmt.Errorf("reading %s: it has no %s", file, name)
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10, err
}

// Quantile returns the q-quantile (0 to 1) of durations, which it sorts; zero if there are none.
func Quantile(durations []time.Duration, q float64) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	slices.Sort(durations)
	return durations[min(len(durations)-1, int(q*float64(len(durations))))]
}

// Quantiles writes the median, the 0.99-quantile and the longest of durations in milliseconds, for a table. It sorts them.
func Quantiles(durations []time.Duration) string {
	return fmt.Sprintf("%.1f / %.1f / %.1f", Milliseconds(Quantile(durations, 0.5)), Milliseconds(Quantile(durations, 0.99)), Milliseconds(Quantile(durations, 1)))
}

// Milliseconds returns a duration in milliseconds, to the microsecond.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Median returns the middle of values, which it sorts; zero if there are none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}
