package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// profiles are CPU profiles of Fairlead under the loads that are measured, of which go build makes the program faster
// (go.dev/doc/pgo).
type profiles struct {
	dir   string
	files []string
}

// during takes a profile of a process for so long and returns how to wait for it. Nothing but Fairlead is looked at.
func (p *profiles) during(ctx context.Context, r *process, d time.Duration) (wait func() error) {
	if p == nil || r.engine == "" {
		return func() error { return nil }
	}
	file := filepath.Join(p.dir, fmt.Sprint(len(p.files)))
	p.files = append(p.files, file)
	failed := make(chan error, 1)
	go func() {
		failed <- fetch(ctx, r.Admin.URL(fmt.Sprint("/debug/pprof/profile?seconds=", d.Seconds())), file)
	}()
	return func() error { return <-failed }
}

// fetch stores what a URL answers.
func fetch(ctx context.Context, url, file string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", url, resp.Status, text)
	}
	return os.WriteFile(file, text, 0o600)
}

// merge writes the sum of all profiles to a file.
func (p *profiles) merge(ctx context.Context, tb lab.TB, file string) {
	tb.Helper()
	if len(p.files) == 0 {
		tb.Fatalf("there is no profile: nothing of Fairlead was measured")
	}
	var complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", append([]string{"tool", "pprof", "-proto", "-output", file}, p.files...)...)
	cmd.Stderr = &complaints
	if err := cmd.Run(); err != nil {
		tb.Fatalf("merging the profiles: %v\n%s", err, &complaints)
	}
}
