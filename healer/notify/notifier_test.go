package notify

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/healer"
)

func TestMatterIsToldOnceRepeatedAndEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s script
		n := notifier(t, Config{}, &s)
		defer start(t, n)()
		shop := few("shop", "2 of 3")
		for range 3 {
			n.Notify(shop)
		}
		synctest.Wait()
		want(t, "at first", s.take(), "first shop 2 of 3")

		time.Sleep(4*time.Hour - time.Second)
		want(t, "before the time", s.take())
		time.Sleep(2 * time.Second)
		want(t, "after four hours", s.take(), "repeat shop 2 of 3")
		time.Sleep(12 * time.Hour)
		want(t, "after twelve more", s.take(), "repeat shop 2 of 3", "repeat shop 2 of 3", "repeat shop 2 of 3")

		n.Notify(over(shop))
		n.Notify(over(shop))
		time.Sleep(24 * time.Hour)
		want(t, "at the end", s.take(), "over shop Over: 2 of 3")

		n.Notify(over(few("other", "1 of 3")))
		time.Sleep(24 * time.Hour)
		want(t, "the end of what was never told", s.take())

		n.Notify(shop)
		synctest.Wait()
		want(t, "when it comes back", s.take(), "first shop 2 of 3")
	})
}

func TestChangedWordsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s script
		n := notifier(t, Config{}, &s)
		defer start(t, n)()
		n.Notify(few("shop", "2 of 3"))
		time.Sleep(time.Minute)
		s.take()
		for i := range 4 { // it changes each minute, and is told after five
			n.Notify(few("shop", fmt.Sprint(i, " of 3")))
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Second)
		want(t, "changes in a row", s.take(), "update shop 3 of 3")

		worse := few("shop", "3 of 3")
		worse.Event = healer.GaveUp
		n.Notify(worse)
		synctest.Wait()
		want(t, "another event", s.take(), "update shop 3 of 3")
		time.Sleep(4*time.Hour - time.Second)
		want(t, "a repeat counts from the update", s.take())
	})
}

func TestDeadReceiverDelaysNobodyAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var alive, dead, hanging script
		dead.dead()
		hanging.hanging()
		n := notifier(t, Config{}, &alive, &dead, &hanging)
		defer start(t, n)()
		before := time.Now()
		for i := range 50 {
			n.Notify(few(fmt.Sprint("s", i), "2 of 3"))
			n.Notify(few(fmt.Sprint("s", i), "1 of 3"))
		}
		n.Notify(over(few("s0", "1 of 3")))
		synctest.Wait()
		if took := time.Since(before); took != 0 {
			t.Errorf("the notices took %s", took)
		}
		if got := len(alive.take()); got < 51 {
			t.Errorf("the living receiver got %d messages at once", got)
		}
		time.Sleep(30 * time.Hour)
		for i, s := range []*script{&dead, &hanging} {
			status := n.Status()[i+1]
			if status.Queued != 51 || status.Delivered != 0 || status.Dropped != 0 || status.Failed < 100 || status.LastError == "" {
				t.Errorf("receiver %s: %+v", status.Name, status)
			}
			if tries := s.tries(); tries > 600 { // 30 hours of one attempt in five minutes, and some at first
				t.Errorf("receiver %s was tried %d times", status.Name, tries)
			}
			s.reply(nil)
		}
		time.Sleep(6 * time.Minute)
		for _, s := range []*script{&dead, &hanging} {
			got := s.take()
			if len(got) != 51 {
				t.Errorf("got %d messages, want 51: %q", len(got), got)
			}
			count := map[string]int{}
			for _, line := range got {
				count[line]++
				if line == "over s0 Over: 1 of 3" && count["first s0 1 of 3"] == 0 {
					t.Error("the end came before the beginning")
				}
			}
			for i := range 50 {
				if line := fmt.Sprintf("first s%d 1 of 3", i); count[line] != 1 {
					t.Errorf("%q came %d times", line, count[line])
				}
			}
		}
	})
}

func TestMessageThatIsRefusedHoldsUpItsOwnMatterOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s script
		s.reply(func(_ context.Context, m Message) error {
			if m.Service == "poison" {
				return errDead
			}
			return nil
		})
		n := notifier(t, Config{}, &s)
		defer start(t, n)()
		poison := few("poison", "2 of 3")
		n.Notify(poison)
		n.Notify(over(poison))
		time.Sleep(time.Hour)
		for i := range 5 {
			n.Notify(few(fmt.Sprint("s", i), "2 of 3"))
			synctest.Wait()
			want(t, "beside the refused one", s.take(), fmt.Sprintf("first s%d 2 of 3", i))
		}
		if status := n.Status()[0]; status.Queued != 2 {
			t.Errorf("queued are %d, want 2", status.Queued)
		}
		s.reply(nil)
		time.Sleep(6 * time.Minute)
		want(t, "once it is taken", s.take(), "first poison 2 of 3", "over poison Over: 2 of 3")
	})
}

func TestQueueSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var s script
		s.dead()
		n := notifier(t, Config{Dir: dir}, &s)
		stop := start(t, n)
		told := few("told", "2 of 3")
		s.reply(nil)
		n.Notify(told)
		synctest.Wait()
		s.hanging()
		shop := few("shop", "2 of 3")
		n.Notify(shop)
		n.Notify(over(shop))
		n.Notify(few("shop", "0 of 3"))
		time.Sleep(3 * time.Hour)
		stop()
		want(t, "before the restart", s.take(), "first told 2 of 3")

		s.reply(nil)
		n = notifier(t, Config{Dir: dir}, &s)
		n.Notify(told) // the healer does not remember that it told
		n.Notify(over(few("shop", "0 of 3")))
		stop = start(t, n)
		synctest.Wait()
		want(t, "after it", s.take(), "first shop 2 of 3", "over shop Over: 2 of 3", "first shop 0 of 3", "over shop Over: 0 of 3")
		time.Sleep(time.Hour + time.Second)
		want(t, "four hours after the first message", s.take(), "repeat told 2 of 3")
		n.Notify(over(told))
		synctest.Wait()
		want(t, "at the end", s.take(), "over told Over: 2 of 3")
		stop()

		n = notifier(t, Config{Dir: dir}, &s)
		stop = start(t, n)
		time.Sleep(24 * time.Hour)
		stop()
		want(t, "after a restart with nothing left", s.take())
	})
}

func TestTwoNotifiersTakeTurnsAtAQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var old, young script
		old.dead()
		first, second := notifier(t, Config{Dir: dir}, &old), notifier(t, Config{Dir: dir}, &young)
		stopFirst := start(t, first)
		synctest.Wait()
		defer start(t, second)()
		first.Notify(few("old", "2 of 3"))
		second.Notify(few("young", "2 of 3"))
		time.Sleep(time.Hour)
		want(t, "while the first runs", young.take())
		stopFirst()
		synctest.Wait()
		want(t, "after it", young.take(), "first old 2 of 3", "first young 2 of 3")
	})
}

func TestMattersThatNotifyWasNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s script
		type list struct {
			open    []healer.Notice
			all, ok bool
		}
		var now atomic.Pointer[list]
		now.Store(&list{all: true})
		c := Config{Matters: func() ([]healer.Notice, bool, bool) { l := now.Load(); return l.open, l.all, l.ok }}
		n := notifier(t, c, &s)
		defer start(t, n)()
		mine, elsewhere := few("mine", "2 of 3"), few("elsewhere", "1 of 3")
		n.Notify(mine)
		time.Sleep(5 * time.Hour)
		want(t, "nothing is known", s.take(), "first mine 2 of 3", "repeat mine 2 of 3")

		now.Store(&list{[]healer.Notice{mine, elsewhere}, true, true})
		time.Sleep(5*time.Hour + time.Minute)
		want(t, "one of another healer", s.take(), "repeat mine 2 of 3", "repeat elsewhere 1 of 3")
		now.Store(&list{[]healer.Notice{mine}, true, true})
		time.Sleep(time.Minute)
		want(t, "its end", s.take(), "over elsewhere Over: 1 of 3")
		now.Store(&list{nil, false, true})
		time.Sleep(24 * time.Hour)
		want(t, "another speaks of it", s.take())
	})
}

func TestFullQueueDropsAndTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full, other script
		full.dead()
		n := notifier(t, Config{MaxMessages: 10}, &full, &other)
		defer start(t, n)()
		for i := range 15 {
			n.Notify(few(fmt.Sprint("s", i), "2 of 3"))
			n.Notify(over(few(fmt.Sprint("s", i), "2 of 3")))
			synctest.Wait() // the other one keeps up
		}
		status := n.Status()[0]
		if status.Queued > 10 || status.Dropped < 20 || status.Queued+int(status.Dropped) != 30 {
			t.Errorf("status %+v", status)
		}
		told := strings.Join(other.take(), "\n")
		if strings.Count(told, "Messages to receiver a are dropped") != 1 || strings.Contains(told, "receiver b") {
			t.Errorf("the other receiver is told %s", told)
		}
		full.reply(nil)
		time.Sleep(6 * time.Minute)
		got := full.take()
		if len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), fmt.Sprintf("%d messages to receiver a were dropped", status.Dropped)) {
			t.Errorf("the receiver is told %q", got)
		}
		if len(got) != status.Queued+1 {
			t.Errorf("it got %d messages, want %d and one of the loss", len(got), status.Queued)
		}
		told = strings.Join(other.take(), "\n")
		if !strings.Contains(told, "over  Over: receiver a takes messages again") {
			t.Errorf("the other receiver is told %q", told)
		}
		time.Sleep(24 * time.Hour)
		want(t, "later", append(full.take(), other.take()...))
	})
}

func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "queues")
		if err := os.WriteFile(dir, nil, 0o600); err != nil { // no directory: nothing can be written, even by root
			t.Fatal(err)
		}
		var s script
		n := notifier(t, Config{Dir: dir}, &s)
		defer start(t, n)()
		n.Notify(few("shop", "2 of 3"))
		synctest.Wait()
		want(t, "without a disk", s.take(), "first shop 2 of 3")
		if status := n.Status()[0]; !strings.HasPrefix(status.Storage, "in memory only: ") {
			t.Errorf("storage %q", status.Storage)
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Second)
		if status := n.Status()[0]; status.Storage != "" {
			t.Errorf("storage %q", status.Storage)
		}
		if _, err := os.Stat(filepath.Join(dir, "a.json")); err != nil {
			t.Error(err)
		}
	})
}

func TestDamagedQueueIsSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, "a.json")
		if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		var s script
		n := notifier(t, Config{Dir: dir}, &s)
		n.Notify(few("shop", "2 of 3"))
		defer start(t, n)()
		synctest.Wait()
		want(t, "with a damaged file", s.take(), "first shop 2 of 3")
		if _, err := os.Stat(file + ".broken"); err != nil {
			t.Error(err)
		}
		if status := n.Status()[0]; !strings.Contains(status.LastError, "a.json.broken") {
			t.Errorf("last error %q", status.LastError)
		}
	})
}

func TestQuietNotifierWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var s script
		shop := few("shop", "2 of 3")
		c := Config{Dir: dir, Matters: func() ([]healer.Notice, bool, bool) { return []healer.Notice{shop}, true, true }}
		n := notifier(t, c, &s)
		defer start(t, n)()
		n.Notify(shop)
		time.Sleep(time.Minute)
		before, err := os.Stat(filepath.Join(dir, "a.json"))
		if err != nil {
			t.Fatal(err)
		}
		for range 60 {
			n.Notify(shop)
			time.Sleep(time.Minute)
		}
		after, err := os.Stat(filepath.Join(dir, "a.json"))
		if err != nil || !os.SameFile(before, after) {
			t.Errorf("the file was written again (%v)", err)
		}
	})
}
