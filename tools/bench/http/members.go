package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/fairlead/fairlead/tools/lab"
)

// bodies returns what the members answer, by path.
func bodies(s settings) map[string][]byte {
	pattern := []byte("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.\n") // 64 bytes
	return map[string][]byte{"/128": []byte(s.Small), "/16k": bytes.Repeat(pattern, 16<<10/64), "/1m": bytes.Repeat(pattern, 1<<20/64)}
}

// startMembers starts one nginx that answers on the ports of all members.
func startMembers(ctx context.Context, tb lab.TB, s settings) *process {
	tb.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		tb.Fatalf("the members are an nginx: %v", err)
	}
	folder, err := fs.Sub(embedded, "members")
	if err != nil {
		tb.Fatalf("reading the members' configuration: %v", err)
	}
	s.Dir = tb.TempDir()
	files := filepath.Join(s.Dir, "files")
	if err := os.Mkdir(files, 0o700); err != nil {
		tb.Fatalf("writing the members' files: %v", err)
	}
	for path, body := range bodies(s) {
		if err := os.WriteFile(filepath.Join(files, strings.TrimPrefix(path, "/")), body, 0o600); err != nil {
			tb.Fatalf("writing the members' files: %v", err)
		}
	}
	p := &peer{name: "members", folder: folder, program: program}
	commands, err := p.write(s)
	if err != nil {
		tb.Fatalf("writing the members' configuration: %v", err)
	}
	run, err := launch(p.name, s, commands[0])
	if err != nil {
		tb.Fatalf("starting the members: %v", err)
	}
	tb.Cleanup(run.stop)
	for _, m := range s.Members {
		if err := run.await(ctx, m); err != nil {
			tb.Fatalf("starting the members: %v\n%s", err, run.log())
		}
	}
	return run
}
