package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/pprof/profile"

	"github.com/fairlead/fairlead/tools/lab"
)

// profiles are CPU profiles of Fairlead under the loads that are measured, of which go build makes the program faster
// (go.dev/doc/pgo).
type profiles struct{ taken []*profile.Profile }

// during takes a profile of a process for so long and returns how to wait for it. Nothing but Fairlead is looked at.
func (p *profiles) during(ctx context.Context, r *process, d time.Duration) (wait func() error) {
	if p == nil || r.engine == "" {
		return func() error { return nil }
	}
	failed := make(chan error, 1)
	go func() {
		text, err := lab.Fetch(ctx, r.Admin.URL(fmt.Sprint("/debug/pprof/profile?seconds=", d.Seconds())))
		if err == nil {
			var one *profile.Profile
			one, err = profile.ParseData(text)
			p.taken = append(p.taken, one)
		}
		failed <- err
	}()
	return func() error { return <-failed }
}

// merge writes the sum of all profiles to a file, without the paths of this machine, which go build has no use for.
func (p *profiles) merge(tb lab.TB, file string) {
	tb.Helper()
	if len(p.taken) == 0 {
		tb.Fatalf("there is no profile: nothing of Fairlead was measured")
	}
	sum, err := profile.Merge(p.taken)
	if err != nil {
		tb.Fatalf("merging the profiles: %v", err)
	}
	for _, f := range sum.Function {
		f.Filename = ""
	}
	for _, m := range sum.Mapping {
		m.File = ""
	}
	out, err := os.Create(file)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	if err := errors.Join(sum.Write(out), out.Close()); err != nil {
		tb.Fatalf("writing the profile: %v", err)
	}
}
