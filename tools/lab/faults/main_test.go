package faults

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

var (
	shorten = flag.Float64("shorten", 20, "by how much the built-in timers are divided")
	labs    = flag.Int("labs", 4, "how many laboratories are up at a time")
)

func TestMain(m *testing.M) {
	flag.Parse()
	began := time.Now()
	code := m.Run()
	lab.RemoveBinary()
	fmt.Print(results.table(time.Since(began)))
	os.Exit(code)
}
