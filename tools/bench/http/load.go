package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// spare is how much longer than it should a load generator may take: h2load never ends if its connections are closed.
const spare = 30 * time.Second

// wrk loads one path over so many connections, as fast as they get answers.
func wrk(path string, connections int, headers ...string) func(context.Context, *process, address, time.Duration) (outcome, error) {
	return func(ctx context.Context, _ *process, door address, d time.Duration) (outcome, error) {
		args := []string{"-t1", fmt.Sprint("-c", connections), fmt.Sprint("-d", int(d.Seconds())), "--latency", "-H", "Host: " + host}
		for _, h := range headers {
			args = append(args, "-H", h)
		}
		out, err := output(ctx, d, "wrk", append(args, door.URL(path))...)
		if err != nil {
			return outcome{}, err
		}
		return readWrk(out)
	}
}

var (
	wrkRequests = regexp.MustCompile(`(\d+) requests in ([0-9.]+[a-z]+)`)
	wrkMedian   = regexp.MustCompile(`(?m)^ +50% +([0-9.]+[a-z]+) *$`)
	wrkTail     = regexp.MustCompile(`(?m)^ +99% +([0-9.]+[a-z]+) *$`)
)

// readWrk reads what wrk prints. A request that failed is an error.
func readWrk(out []byte) (outcome, error) {
	requests, median, tail := wrkRequests.FindSubmatch(out), wrkMedian.FindSubmatch(out), wrkTail.FindSubmatch(out)
	if requests == nil || median == nil || tail == nil {
		return outcome{}, fmt.Errorf("wrk does not say what it did:\n%s", out)
	}
	if bytes.Contains(out, []byte("Non-2xx")) || bytes.Contains(out, []byte("Socket errors")) {
		return outcome{}, fmt.Errorf("requests failed:\n%s", out)
	}
	n, err1 := strconv.Atoi(string(requests[1]))
	took, err2 := time.ParseDuration(string(requests[2]))
	p50, err3 := time.ParseDuration(string(median[1]))
	p99, err4 := time.ParseDuration(string(tail[1]))
	if err1 == nil && n == 0 {
		return outcome{}, errors.New("wrk got no answer")
	}
	return outcome{requests: n, took: took, p50: p50, p99: p99}, errors.Join(err1, err2, err3, err4)
}

// rateClients share the fixed rate.
const rateClients = 64

// h2load loads one path at the fixed rate. (A header Host would go beside its own: what it is to ask for must be in the URL.)
func h2load(path string) func(context.Context, *process, address, time.Duration) (outcome, error) {
	return func(ctx context.Context, r *process, door address, d time.Duration) (outcome, error) {
		log := r.Dir + "/requests" // of one load: h2load would add to it
		_, err := output(ctx, d, "h2load", "--h1", "-t1", fmt.Sprint("-c", rateClients), fmt.Sprint("--rps=", *rate/rateClients),
			fmt.Sprint("-D", int(d.Seconds())), "--log-file="+log, "--connect-to="+door.String(), "http://"+host+path)
		if err != nil {
			return outcome{}, err
		}
		text, err := os.ReadFile(log)
		if err == nil {
			err = os.Remove(log)
		}
		if err != nil {
			return outcome{}, fmt.Errorf("reading h2load's log: %w", err)
		}
		return readRequests(text, d)
	}
}

// output runs a load generator.
func output(ctx context.Context, d time.Duration, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, d+spare)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return out, nil
}

// readRequests reads h2load's log, a line for each request: when it began, its status, its microseconds.
func readRequests(text []byte, took time.Duration) (outcome, error) {
	var times []time.Duration
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 || fields[1] != "200" {
			return outcome{}, fmt.Errorf("a request failed: %q", lines.Text())
		}
		us, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			return outcome{}, fmt.Errorf("reading h2load's log: %w", err)
		}
		times = append(times, time.Duration(us)*time.Microsecond)
	}
	if len(times) == 0 {
		return outcome{}, errors.New("h2load's log is empty")
	}
	return outcome{requests: len(times), took: took, p50: lab.Quantile(times, 0.5), p99: lab.Quantile(times, 0.99)}, nil
}
