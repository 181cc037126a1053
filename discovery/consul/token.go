package consul

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// token gives the ACL token of each request: a literal one, or what a file holds now.
type token struct {
	path string

	mu       sync.Mutex
	value    string
	modified time.Time
	size     int64
}

func newToken(literal, path string) (*token, error) {
	t := &token{path: path, value: literal}
	if path == "" {
		return t, nil
	}
	if err := t.load(); err != nil {
		return nil, err
	}
	return t, nil
}

// get returns the token. A file that is unreadable or empty at the moment, as while it is being replaced, leaves the last one in
// force: the agent says so if that is no longer good.
func (t *token) get() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.path == "" {
		return t.value
	}
	if info, err := os.Stat(t.path); err == nil && (!info.ModTime().Equal(t.modified) || info.Size() != t.size) {
		_ = t.load()
	}
	return t.value
}

// load reads the file; its caller holds the lock, or is the only one to know t.
func (t *token) load() error {
	info, err := os.Stat(t.path)
	if err != nil {
		return fmt.Errorf("consul: token file: %w", err)
	}
	text, err := os.ReadFile(t.path)
	if err != nil {
		return fmt.Errorf("consul: token file: %w", err)
	}
	value := strings.TrimSpace(string(text))
	if value == "" || strings.ContainsAny(value, " \t\r\n") {
		return fmt.Errorf("consul: token file %s: want one token and nothing else", t.path)
	}
	t.value, t.modified, t.size = value, info.ModTime(), info.Size()
	return nil
}
