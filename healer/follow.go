package healer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// DesiredFile follows a desired file as it changes. What cannot be used changes nothing: the last good content stays, and the
// problem is shown. A file that is gone or empty is such a problem, never a wish for nothing.
type DesiredFile struct {
	path     string
	clusters []string
	poll     time.Duration
	log      *slog.Logger

	mu      sync.Mutex
	current *Desired
	problem string
	changed chan struct{} // closed and replaced with each change of current or problem

	// Those below are Run's own.
	stat os.FileInfo // of the last look that needs no second one
	text []byte      // of the last good content
	seen string      // the problem of the last look
}

// NewDesiredFile returns the follower of the file at path, which it looks at every poll (0: each second). clusters are those configured,
// at least one. log may be nil.
func NewDesiredFile(path string, clusters []string, poll time.Duration, log *slog.Logger) *DesiredFile {
	if poll <= 0 {
		poll = time.Second
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &DesiredFile{path: path, clusters: clusters, poll: poll, log: log, changed: make(chan struct{})}
}

// Current returns the last good content, nil if there was none yet, and what is wrong with the file now, if anything.
func (f *DesiredFile) Current() (d *Desired, problem string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current, f.problem
}

// Changed returns a channel that is closed when Current next changes: to be taken before Current is asked.
func (f *DesiredFile) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// Run follows the file until ctx ends, and returns ctx's error then. It is called once.
func (f *DesiredFile) Run(ctx context.Context) error {
	ticker := time.NewTicker(f.poll)
	defer ticker.Stop()
	for {
		f.look()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// look reads the file if it may have changed.
func (f *DesiredFile) look() {
	stat, err := os.Stat(f.path)
	if err == nil && f.stat != nil && os.SameFile(f.stat, stat) && f.stat.ModTime().Equal(stat.ModTime()) && f.stat.Size() == stat.Size() {
		return
	}
	f.stat = nil
	var text []byte
	if err == nil && !stat.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", f.path) // reading a pipe could wait forever
	} else if err == nil {
		text, err = os.ReadFile(f.path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s is missing", f.path)
	}
	if err == nil && f.text != nil && bytes.Equal(text, f.text) {
		f.good(stat, nil)
		return
	}
	var desired *Desired
	if err == nil {
		desired, err = Parse(f.path, text, f.clusters)
	}
	if err != nil {
		f.bad(err.Error())
		return
	}
	f.text = text
	f.good(stat, desired)
}

// good takes over new content, if any, and ends the problem.
func (f *DesiredFile) good(stat os.FileInfo, desired *Desired) {
	// A file written a moment ago may be written again within its time stamp's grain: it gets another look.
	if time.Since(stat.ModTime()) > time.Second {
		f.stat = stat
	}
	f.seen = ""
	f.mu.Lock()
	defer f.mu.Unlock()
	if desired == nil && f.problem == "" {
		return
	}
	if desired != nil {
		f.current = desired
	}
	f.problem = ""
	f.tell()
	f.log.Info("desired file read", "file", f.path, "version", f.current.Version, "services", len(f.current.Services))
}

// bad notes a problem once a second look in a row has found it, since a file may be looked at while it is written; at the start there is
// nothing to be spared.
func (f *DesiredFile) bad(problem string) {
	again := f.seen == problem
	f.seen = problem
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.problem == problem || !again && f.current != nil {
		return
	}
	f.problem = problem
	f.tell()
	f.log.Error("desired file cannot be used, its last good content stays", "file", f.path, "error", problem)
}

// tell wakes those who wait for a change; its caller holds the lock.
func (f *DesiredFile) tell() {
	close(f.changed)
	f.changed = make(chan struct{})
}
