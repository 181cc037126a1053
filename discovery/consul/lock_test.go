package consul

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	realconsul "github.com/fairlead/fairlead/tools/consul"
)

// holder is a Lock that runs.
type holder struct {
	*Lock
	stop func()
}

func startLock(t *testing.T, a *realconsul.Agent, name, token string) *holder {
	t.Helper()
	s, err := New(Config{Cluster: "live", Address: a.HTTP, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	l := s.Lock("fairlead/healer/lock", name, LockOptions{TTL: 10 * time.Second, Renew: 500 * time.Millisecond, Delay: time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.Run(ctx)
	}()
	stop := func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return &holder{l, stop}
}

func within(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(d); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}

func TestRealLockIsHeldByOne(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{})
	first := startLock(t, a, "first", "")
	within(t, 10*time.Second, "the lock", first.Held)
	second := startLock(t, a, "second", "")
	time.Sleep(2 * time.Second)
	if !first.Held() || second.Held() {
		t.Fatalf("held by first %v, second %v", first.Held(), second.Held())
	}
	pair, _, err := a.Client().KV().Get("fairlead/healer/lock", nil)
	if err != nil || string(pair.Value) != "first" {
		t.Fatalf("the key says %v, %v", pair, err)
	}
	before := pair.ModifyIndex

	first.stop()
	if first.Held() {
		t.Error("held after its end")
	}
	within(t, 10*time.Second, "the lock to pass on", second.Held)
	time.Sleep(2 * time.Second)
	pair, _, err = a.Client().KV().Get("fairlead/healer/lock", nil)
	if err != nil || pair.LockIndex != 2 || pair.ModifyIndex <= before {
		t.Errorf("the key is %+v, %v", pair, err)
	}

	// What takes the session away takes the lock.
	if _, err := a.Client().Session().Destroy(pair.Session, nil); err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "the loss to be noticed", func() bool { return !second.Held() })
	within(t, 20*time.Second, "the lock again", second.Held)
}

func TestRealLockEndsByOurOwnClock(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{})
	l := startLock(t, a, "alone", "")
	within(t, 10*time.Second, "the lock", l.Held)
	if err := a.Pause(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	within(t, 10*time.Second, "the end of what is sure", func() bool { return !l.Held() })
	if d := time.Since(began); d > 7*time.Second {
		t.Errorf("held for %s after Consul's last word, want half of 10s at the most", d)
	}
	if err := a.Resume(); err != nil {
		t.Fatal(err)
	}
	within(t, 30*time.Second, "the lock again", l.Held)
}

// healerPolicy is that of docs/acl.md, which is checked to have it.
const healerPolicy = `session_prefix "" {
  policy = "write"
}
`

func TestRealLockNeedsItsRights(t *testing.T) {
	page, err := os.ReadFile("../../docs/acl.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), healerPolicy) {
		t.Errorf("docs/acl.md does not have the tested policy\n%s", healerPolicy)
	}
	a := realconsul.Start(t, realconsul.Options{ACL: true})
	_, without := grant(t, a, "without", statePolicy)
	_, with := grant(t, a, "with", statePolicy, healerPolicy)
	refused := startLock(t, a, "without", without)
	held := startLock(t, a, "with", with)
	within(t, 10*time.Second, "the lock", held.Held)
	held.stop()
	time.Sleep(2 * time.Second)
	if refused.Held() {
		t.Error("held without the right to a session")
	}
}
