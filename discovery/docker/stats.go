package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	api "github.com/docker/docker/api/types/container"
)

// Stats is what a container uses. Counters are since its start.
type Stats struct {
	Time time.Time `json:"time"`
	// CPUPercent is the share of one processor since the reading before: 200 is two of them.
	CPUPercent float64 `json:"cpu_percent"`
	// Memory is in bytes, without what the kernel keeps of files and could drop; Limit is the most it may have.
	Memory uint64 `json:"memory_bytes"`
	Limit  uint64 `json:"memory_limit_bytes"`
	// Bytes over the network and to disks.
	Received  uint64 `json:"network_received_bytes"`
	Sent      uint64 `json:"network_sent_bytes"`
	Read      uint64 `json:"disk_read_bytes"`
	Written   uint64 `json:"disk_written_bytes"`
	Processes uint64 `json:"processes"`
}

// Stats gives one reading of what a running container uses, or with follow one each second until it ends, give returns an error, or ctx
// ends.
func (r *Reader) Stats(ctx context.Context, id string, follow bool, give func(Stats) error) error {
	found, err := r.inspect(ctx, id)
	if err != nil {
		return err
	}
	if !found.State.Running {
		return fmt.Errorf("%w that runs: %s", ErrNoContainer, id)
	}
	c, err := r.engine.connect(ctx)
	if err != nil {
		return fmt.Errorf("reading statistics: %w", err)
	}
	answer, err := c.ContainerStats(ctx, id, follow)
	if err != nil {
		return fmt.Errorf("reading statistics: %w", Advised(err))
	}
	defer answer.Body.Close()
	in := json.NewDecoder(answer.Body)
	for {
		var s api.StatsResponse
		err := in.Decode(&s)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && ctx.Err() == nil:
			return nil
		case err != nil:
			return fmt.Errorf("reading statistics: %w", err)
		case s.PreCPUStats.SystemUsage == 0 && follow:
			continue // the first of a stream has nothing to compare with
		case s.Read.IsZero():
			return nil // it has ended
		}
		if err := give(readStats(&s)); err != nil {
			return err
		}
		if !follow {
			return nil
		}
	}
}

func readStats(s *api.StatsResponse) Stats {
	out := Stats{Time: s.Read.UTC(), Memory: s.MemoryStats.Usage, Limit: s.MemoryStats.Limit, Processes: s.PidsStats.Current}
	for _, key := range []string{"total_inactive_file", "inactive_file"} { // of cgroup v1, and of v2
		if cached, known := s.MemoryStats.Stats[key]; known && cached < out.Memory {
			out.Memory -= cached
			break
		}
	}
	used := float64(s.CPUStats.CPUUsage.TotalUsage) - float64(s.PreCPUStats.CPUUsage.TotalUsage)
	whole := float64(s.CPUStats.SystemUsage) - float64(s.PreCPUStats.SystemUsage)
	if used > 0 && whole > 0 {
		out.CPUPercent = used / whole * 100 * float64(max(1, s.CPUStats.OnlineCPUs))
	}
	for _, n := range s.Networks {
		out.Received, out.Sent = out.Received+n.RxBytes, out.Sent+n.TxBytes
	}
	for _, e := range s.BlkioStats.IoServiceBytesRecursive {
		switch e.Op {
		case "read", "Read":
			out.Read += e.Value
		case "write", "Write":
			out.Written += e.Value
		}
	}
	return out
}
