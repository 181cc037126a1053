//go:build unix

package notify

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCommandGetsTheMessage(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TEST_NOTIFY_PASSED", "passed")
	t.Setenv("TEST_NOTIFY_KEPT", "kept")
	c, err := newCommand(Command{Argv: []string{"sh", "-c", `cat >"$1/in"; env >"$1/env"`, "sh", dir}, PassEnv: []string{"TEST_NOTIFY_PASSED"}})
	if err != nil {
		t.Fatal(err)
	}
	m := message
	m.Text = "$(touch " + dir + "/evil); 2 of 3\x00"
	if _, err := c.send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	input, err := os.ReadFile(filepath.Join(dir, "in"))
	if err != nil {
		t.Fatal(err)
	}
	var got Message
	if err := json.Unmarshal(input, &got); err != nil || got != m {
		t.Errorf("input %s (%v)", input, err)
	}
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"FAIRLEAD_NOTICE_KEY=live/shop.example.com/few", "FAIRLEAD_NOTICE_EVENT=critical", "FAIRLEAD_NOTICE_CLUSTER=live",
		"FAIRLEAD_NOTICE_SERVICE=shop.example.com", "FAIRLEAD_NOTICE_SINCE=2026-01-02T03:04:05Z", "FAIRLEAD_NOTICE_RESOLVED=false",
		"FAIRLEAD_NOTICE_ID=ID1", "FAIRLEAD_NOTICE_KIND=first", "FAIRLEAD_NOTICE_AT=2026-01-02T03:05:00Z", "TEST_NOTIFY_PASSED=passed",
		"FAIRLEAD_NOTICE_TEXT=$(touch " + dir + "/evil); 2 of 3",
	} {
		if !strings.Contains("\n"+string(env), "\n"+line+"\n") {
			t.Errorf("no %s in\n%s", line, env)
		}
	}
	if strings.Contains(string(env), "TEST_NOTIFY_KEPT") {
		t.Error("the command gets all of our environment")
	}
	if _, err := os.Stat(filepath.Join(dir, "evil")); err == nil {
		t.Error("a shell has read the text")
	}
}

func TestCommandFails(t *testing.T) {
	for _, test := range []struct {
		name string
		argv []string
		want string
	}{
		{"status", []string{"sh", "-c", "echo s3cret >&2; exit 3"}, "the command failed: exit status 3"},
		{"signal", []string{"sh", "-c", "kill -9 $$"}, "the command failed: signal: killed"},
		{"reads nothing", []string{"true"}, ""},
	} {
		c, err := newCommand(Command{Argv: test.argv})
		if err != nil {
			t.Fatal(err)
		}
		m := message
		m.Text = strings.Repeat("\x01", maxText) // more than a pipe holds, as JSON
		got := ""
		if _, err := c.send(t.Context(), m); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// TestCommandThatHangs looks for its child: a pipe that both hold open ends when both are gone.
func TestCommandThatHangs(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan string, 1)
	go func() {
		file, err := os.Open(pipe)
		if err != nil {
			ended <- err.Error()
			return
		}
		defer file.Close()
		text, err := io.ReadAll(file)
		if err != nil {
			text = []byte(err.Error())
		}
		ended <- string(text)
	}()
	c, err := newCommand(Command{Argv: []string{"sh", "-c", `exec 3>"$1"; echo up >&3; sleep 1000 & sleep 1000`, "sh", pipe}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := c.send(ctx, message); err == nil || err.Error() != "the command was killed: context deadline exceeded" {
		t.Errorf("it says %v", err)
	}
	select {
	case text := <-ended:
		if text != "up\n" {
			t.Errorf("the command wrote %q", text)
		}
	case <-time.After(time.Minute):
		t.Error("its child still runs")
	}
}
