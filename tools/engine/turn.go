package engine

import (
	"net"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// turnName is a socket of Linux's abstract kind: who listens on it has the engine's Swarm mode, and nothing of it is left behind.
const turnName = "@fairlead-engine-swarm-mode"

// TakeTurn keeps other test binaries from the engine's Swarm mode until the test ends; they wait.
func TakeTurn(tb lab.TB) {
	tb.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		turn, err := net.Listen("unix", turnName)
		if err == nil {
			tb.Cleanup(func() { turn.Close() })
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("waiting for the engine's Swarm mode: %v", err)
		}
	}
}
