package consul

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// shrink is the error of an answer in which present instances vanished and that is not believed yet.
type shrink struct{ reason string }

func (e shrink) Error() string { return e.reason }

// errRights means that the lists shrink as they do for a token that lost its rights: nothing this source says counts.
var errRights = errors.New("services left the list of names although their indexes stand still: the ACL token seems to have lost rights")

// subject is what a doubt is about: one of our watches or reads, and the service it holds, or "" for the whole source.
type subject struct {
	what    string
	service string
}

// doubts are the open ones, by the watch or read that raised them: its next good answer ends it.
type doubts struct {
	log     *slog.Logger
	changed func()

	mu   sync.Mutex
	open map[subject]discovery.Doubt
}

func newDoubts(log *slog.Logger, changed func()) *doubts {
	return &doubts{log: log, changed: changed, open: map[subject]discovery.Doubt{}}
}

func (d *doubts) raise(s subject, err error) {
	doubt := discovery.Doubt{Kind: discovery.SourceDoubt, Service: s.service, Reason: s.what + ": " + err.Error(), Since: time.Now()}
	if errors.As(err, new(shrink)) {
		doubt.Kind = discovery.ShrinkDoubt
	}
	if errors.Is(err, errRights) {
		doubt.Service = ""
	}
	d.mu.Lock()
	was, stood := d.open[s]
	if stood {
		doubt.Since = was.Since
	}
	d.open[s] = doubt
	d.mu.Unlock()
	if stood && was == doubt {
		return
	}
	d.log.Log(context.Background(), level(doubt, slog.LevelWarn), "consul: in doubt", "kind", string(doubt.Kind), "service", doubt.Service, "reason", doubt.Reason)
	d.changed()
}

func (d *doubts) clear(s subject) {
	d.mu.Lock()
	was, stood := d.open[s]
	delete(d.open, s)
	d.mu.Unlock()
	if !stood {
		return
	}
	d.log.Log(context.Background(), level(was, slog.LevelInfo), "consul: doubt ended", "kind", string(was.Kind), "service", was.Service, "reason", was.Reason, "after", time.Since(was.Since))
	d.changed()
}

// level returns the level to log a doubt at: those about single services come by the hundred when an agent stops.
func level(doubt discovery.Doubt, whole slog.Level) slog.Level {
	if doubt.Service != "" && doubt.Kind == discovery.SourceDoubt {
		return slog.LevelDebug
	}
	return whole
}

// retain ends every doubt whose subject keep does not name: nobody watches that any more.
func (d *doubts) retain(keep func(subject) bool) {
	d.mu.Lock()
	var ended []subject
	for s := range d.open {
		if !keep(s) {
			ended = append(ended, s)
		}
	}
	d.mu.Unlock()
	for _, s := range ended {
		d.clear(s)
	}
}

// stands reports whether the subject is in doubt.
func (d *doubts) stands(s subject) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, stands := d.open[s]
	return stands
}

// listed is the most doubts about the whole source that are shown at once: a stopped agent fails every watch.
const listed = 8

// list returns the open doubts, the oldest first. While the whole source is in doubt, source doubts about single services say
// nothing more and are left out.
func (d *doubts) list() []discovery.Doubt {
	var whole, single []discovery.Doubt
	d.mu.Lock()
	for _, doubt := range d.open {
		if doubt.Service == "" {
			whole = append(whole, doubt)
		} else {
			single = append(single, doubt)
		}
	}
	d.mu.Unlock()
	byAge := func(a, b discovery.Doubt) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Reason, b.Reason))
	}
	slices.SortFunc(whole, byAge)
	slices.SortFunc(single, byAge)
	if len(whole) > 0 {
		single = slices.DeleteFunc(single, func(x discovery.Doubt) bool { return x.Kind == discovery.SourceDoubt })
	}
	return append(whole[:min(len(whole), listed)], single...)
}
