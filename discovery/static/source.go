package static

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// Source is a discovery.Source over one file. The file is its owner's word: what he takes out of it is gone at once
// (Update.Trusted), however much it is.
type Source struct {
	cluster string
	path    string
	poll    time.Duration
	log     *slog.Logger
}

var _ discovery.Source = (*Source)(nil)

// New returns the source of a cluster over the file at path, which it looks at every poll (0: each second). log may be nil.
func New(cluster, path string, poll time.Duration, log *slog.Logger) *Source {
	if poll <= 0 {
		poll = time.Second
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Source{cluster: cluster, path: path, poll: poll, log: log}
}

// Name is "static" and the file's path.
func (s *Source) Name() string { return "static " + s.path }

// Run reports the file's whole content, and again after each change, until ctx ends. A file that is missing or wrong is a doubt and
// changes nothing else; the next good one ends the doubt. known is not needed: a file does not lie about being empty.
func (s *Source) Run(ctx context.Context, _ map[string]*discovery.Service, report func(discovery.Update)) error {
	f := &follower{Source: s, report: report, status: discovery.SourceStatus{
		Name:     s.Name(),
		Strategy: "looks at the file every " + s.poll.String(),
	}}
	ticker := time.NewTicker(s.poll)
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

// follower is one Run's memory of the file.
type follower struct {
	*Source
	report func(discovery.Update)
	status discovery.SourceStatus
	stat   os.FileInfo // of the last look that needs no second one
	text   []byte      // of the last good state
}

// look reads the file if it may have changed, and reports what has.
func (f *follower) look() {
	stat, err := os.Stat(f.path)
	if err == nil && f.stat != nil && same(f.stat, stat) {
		return
	}
	f.stat = nil
	var text []byte
	if err == nil && !stat.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", f.path) // reading a pipe could wait forever
	} else if err == nil {
		text, err = os.ReadFile(f.path)
	}
	if err != nil {
		f.doubt(err)
		return
	}
	if f.status.Ready && bytes.Equal(text, f.text) {
		f.good(stat, discovery.Update{}, len(f.status.Doubts) > 0)
		return
	}
	services, err := parse(f.cluster, f.path, text)
	if err != nil {
		f.doubt(err)
		return
	}
	f.text, f.status.Ready = text, true
	f.good(stat, discovery.Update{Services: services, Complete: true, Trusted: true}, true)
}

// good notes that the file could be read, and says so if there is something to say.
func (f *follower) good(stat os.FileInfo, u discovery.Update, say bool) {
	// A file written a moment ago may be written again within its time stamp's grain: it gets another look.
	if time.Since(stat.ModTime()) > time.Second {
		f.stat = stat
	}
	if !say {
		return
	}
	f.status.Doubts = nil
	f.status.LastAnswer = time.Now()
	u.Status = f.status
	f.report(u)
	f.log.Info("read file", "file", f.path, "changed", u.Complete)
}

// doubt reports why the file is not believed, once for each reason.
func (f *follower) doubt(err error) {
	d := discovery.Doubt{Kind: discovery.SourceDoubt, Reason: err.Error(), Since: time.Now()}
	if len(f.status.Doubts) > 0 {
		if f.status.Doubts[0].Reason == d.Reason {
			return
		}
		d.Since = f.status.Doubts[0].Since
	}
	f.status.Doubts = []discovery.Doubt{d}
	f.report(discovery.Update{Status: f.status})
	f.log.Warn("file cannot be used, its last good state stays", "file", f.path, "error", err)
}

// same reports whether two looks saw the same file in the same state.
func same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
