package healer

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery/consul"
	"github.com/fairlead/fairlead/discovery/state"
	realconsul "github.com/fairlead/fairlead/tools/consul"
)

func TestJournalInAFile(t *testing.T) {
	journaling(t, state.NewFile(filepath.Join(t.TempDir(), "state.json")))
}

func TestRealJournalInConsul(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{})
	s, err := consul.New(consul.Config{Cluster: "live", Address: a.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	journaling(t, s.KV())
}

// journaling is the life of a journal in any store.
func journaling(t *testing.T, kv state.KV) {
	ctx := t.Context()
	j, rival := NewJournal(kv, "live", 10*time.Second), NewJournal(kv, "live", 10*time.Second)
	read := func(j *Journal) *Book {
		t.Helper()
		b, err := j.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if b := read(j); len(b.Records) != 0 || len(b.Pauses) != 0 {
		t.Errorf("an empty journal has %+v", b)
	}
	service := &Service{Domain: "shop.example.com", Cluster: "live", Count: 2, Run: Run{Swarm: "shop"}}
	now := time.Now().UTC().Truncate(time.Second)
	mine, theirs := &Record{}, &Record{}
	mine.claim(now, service, &Flight{ID: "f", By: "me", What: "scale", Kind: Scale, To: 2, Since: now, Was: 1})
	theirs.claim(now, service, &Flight{ID: "g", By: "them", What: "scale", Kind: Scale, To: 2, Since: now, Was: 1})
	if err := j.write(ctx, service.Domain, mine); err != nil {
		t.Fatal(err)
	}
	if err := rival.write(ctx, service.Domain, theirs); !errors.Is(err, state.ErrConflict) {
		t.Errorf("a rival's claim: %v", err)
	}
	other := NewJournal(kv, "test", 10*time.Second)
	if b := read(other); len(b.Records) != 0 {
		t.Errorf("another cluster's journal has %+v", b.Records)
	}
	got := read(rival).Records[service.Domain]
	if got == nil || got.Flight == nil || got.Flight.ID != "f" || got.Flight.String() != "raising replicas to 2" || len(got.Tries["scale"]) != 1 || got.index != mine.index {
		t.Fatalf("read %+v", got)
	}
	got.Flight = nil
	if err := rival.write(ctx, service.Domain, got); err != nil {
		t.Fatal(err)
	}
	if err := j.write(ctx, service.Domain, mine); !errors.Is(err, state.ErrConflict) {
		t.Errorf("writing over what another wrote: %v", err)
	}
	if err := j.Forgive(ctx, "Shop.example.com."); err != nil {
		t.Error(err)
	}
	if b := read(j); len(b.Records) != 0 {
		t.Errorf("forgiven, but there is %+v", b.Records)
	}
	for _, reason := range []string{"first", "second"} {
		if err := j.Pause(ctx, Pause{Scope: PauseHost, Name: "N1", Author: "ann", Reason: reason, Expires: now.Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	if b := read(rival); len(b.Pauses) != 1 || b.Pauses[0].Reason != "second" || !b.Pauses[0].Expires.Equal(now.Add(time.Hour)) || b.Pauses[0].Created.IsZero() {
		t.Errorf("pauses %+v", b.Pauses)
	}
	for range 2 {
		if err := j.Resume(ctx, PauseHost, "n1"); err != nil {
			t.Error(err)
		}
	}
	if b := read(rival); len(b.Pauses) != 0 {
		t.Errorf("pauses %+v", b.Pauses)
	}
}

// What cannot be read stops what it may be about.
func TestGarbageInTheJournal(t *testing.T) {
	kv := newMemoryKV()
	j := NewJournal(kv, "live", time.Second)
	for _, key := range []string{j.recordKey("shop.example.com"), j.pauseKey(PauseHost, "n1"), j.mattersKey(), j.prefix + "other"} {
		if err := kv.CompareAndSet(t.Context(), key, []byte("{garbage"), 0); err != nil {
			t.Fatal(err)
		}
	}
	b, err := j.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r := b.Records["shop.example.com"]; r == nil || !strings.Contains(r.broken, "fairlead/healer/live/records/shop.example.com cannot be read") {
		t.Errorf("record %+v", r)
	}
	if len(b.Pauses) != 1 || b.Pauses[0].Scope != PauseAll || !b.Pauses[0].holds(time.Now(), time.Now()) {
		t.Errorf("pauses %+v", b.Pauses)
	}
	if len(b.Problems) != 2 {
		t.Errorf("problems %q", b.Problems)
	}
	if err := j.Forgive(t.Context(), "shop.example.com"); err != nil {
		t.Error(err)
	}
	if b, err := j.Read(t.Context()); err != nil || b.Records["shop.example.com"] != nil {
		t.Errorf("the broken record is still there: %v", err)
	}
}

func TestMattersAreReadAgain(t *testing.T) {
	kv := newMemoryKV()
	j := NewJournal(kv, "live", time.Second)
	since := time.Now().UTC().Truncate(time.Second)
	open := map[string]matter{"k": {Notice{Key: "k", Event: Frozen, Text: "t", Since: since}, "1"}}
	if _, err := j.put(t.Context(), j.mattersKey(), &matters{Open: open}, 0); err != nil {
		t.Fatal(err)
	}
	b, err := j.Read(t.Context())
	if err != nil || b.matters.Open["k"] != open["k"] || b.matters.index == 0 {
		text, _ := json.Marshal(b.matters)
		t.Errorf("%s, %v", text, err)
	}
}

func TestAuditIsBounded(t *testing.T) {
	a := audit{size: 3}
	for _, what := range []string{"1", "2", "3", "4", "5"} {
		a.add(AuditEntry{What: what})
	}
	if got := a.entries(); len(got) != 3 || got[0].What != "3" || got[2].What != "5" {
		t.Errorf("%+v", got)
	}
}
