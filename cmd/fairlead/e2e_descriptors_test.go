package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fairlead/fairlead/tools/lab"
)

// TestDescriptorsRunOut opens more connections than the process may have. Those that it cannot accept wait, without keeping it busy, and
// are served when others have left; and that it could not connect is no member's fault.
func TestDescriptorsRunOut(t *testing.T) {
	for _, engine := range []string{"loop", "portable", "off"} {
		t.Run(engine, func(t *testing.T) { runOut(t, engine) })
	}
}

func runOut(t *testing.T, engine string) {
	const clients, spare = 60, 15
	e, address := newLane(t, engine)
	e.Start()
	if got := status(address, "shop.example.com"); got != 200 {
		t.Fatalf("at first: %d", got)
	}
	quiet := busy(t, e)
	limitDescriptors(t, e, spare)

	var all sync.WaitGroup
	defer all.Wait()
	leave := make(chan struct{})
	var answered, odd atomic.Int64
	for range clients {
		all.Go(func() {
			got, err := askAndStay(address, leave, func() { answered.Add(1) })
			if err != nil || got != 200 && got != 502 { // it may have no descriptor for the member
				odd.Add(1)
				t.Errorf("answered %d, %v", got, err)
			}
		})
	}
	soon(t, "some answers", func() bool { return answered.Load() > 0 })
	if spent := busy(t, e); spent > quiet+time.Second/2 {
		t.Errorf("in two seconds without descriptors it needs %s, and %s otherwise", spent, quiet)
	}
	if n := answered.Load(); n > 2*spare {
		t.Errorf("%d were answered with %d descriptors: nothing was shown", n, spare)
	}
	close(leave)
	soon(t, "all answers", func() bool { return answered.Load()+odd.Load() == clients })
	if got := status(address, "shop.example.com"); got != 200 {
		t.Errorf("in the end: %d", got)
	}
}

// newLane prepares an edge that serves shop.example.com by an engine of the lane, and returns its address.
func newLane(t *testing.T, engine string) (e *lab.Edge, address string) {
	t.Helper()
	shop := lab.StartBackend(t, "shop", nil)
	file := writeCatalog(t, map[string][]*lab.Backend{"shop.example.com": {shop}})
	port := lab.FreePort(t)
	return lab.NewEdge(t, fmt.Sprintf(`{
	admin {ADMIN}
	auto_https off
	fairlead {
		lane %s
		cluster live {
			file %s
		}
		drain_delay 1ms
	}
}
http://:%d {
	bind 127.0.0.1
	fairlead
}
`, engine, file, port)), fmt.Sprintf("127.0.0.1:%d", port)
}

// TestLoopsThatCannotBeHad starts a process that wants more loops than it may have descriptors for: it says so, and the portable engine
// serves.
func TestLoopsThatCannotBeHad(t *testing.T) {
	e, address := newLane(t, "loop")
	e.Env, e.Descriptors = []string{"GOMAXPROCS=100"}, 150 // a loop for each processor, with two descriptors
	e.Start()
	if got := status(address, "shop.example.com"); got != 200 {
		t.Errorf("answered %d", got)
	}
	if got := laneEngine(t, e); got != "portable" {
		t.Errorf("the engine is %q", got)
	}
	if log := e.Log(); strings.Count(log, "the lane's loops do not start: its portable engine serves") != 1 || !strings.Contains(log, "too many open files") {
		t.Error("the log does not say why")
	}
	e.Kill()
	e.Env, e.Descriptors = nil, 0
	e.Start()
	if got := laneEngine(t, e); got != "loop" {
		t.Errorf("with descriptors enough, the engine is %q", got)
	}
}

// laneEngine returns the engine that explain tells of.
func laneEngine(t *testing.T, e *lab.Edge) string {
	t.Helper()
	var explained struct{ Lane []struct{ Engine string } }
	if err := e.GetJSON("/fairlead/explain?host=shop.example.com", &explained); err != nil || len(explained.Lane) != 1 {
		t.Fatalf("explain: %v, %+v", err, explained)
	}
	return explained.Lane[0].Engine
}

// busy returns the processor time that a process needs in two seconds.
func busy(t *testing.T, e *lab.Edge) time.Duration {
	t.Helper()
	before, err := lab.CPU(e.PID())
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	after, err := lab.CPU(e.PID())
	if err != nil {
		t.Fatal(err)
	}
	return after - before
}

// limitDescriptors lets a process have so many more descriptors than it has.
func limitDescriptors(t *testing.T, e *lab.Edge, more int) {
	t.Helper()
	has, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", e.PID()))
	if err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Prlimit(e.PID(), unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = uint64(len(has) + more)
	if err := unix.Prlimit(e.PID(), unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		t.Fatal(err)
	}
}

// askAndStay sends a request on a connection that it holds until leave. It tells when the answer has come.
func askAndStay(address string, leave <-chan struct{}, told func()) (status int, err error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"); err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	response.Body.Close()
	told()
	<-leave
	return response.StatusCode, nil
}
