package lab

import (
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Skipper is a TB that can be skipped, as every testing.T can.
type Skipper interface {
	TB
	Skipf(format string, args ...any)
}

// Require skips the test unless the named parts are there: programs looked for on the PATH. Where the environment variable
// FAIRLEAD_REQUIRE names a part, its absence fails the test instead.
func Require(tb Skipper, programs ...string) {
	tb.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			Missing(tb, name, "it is not installed: "+err.Error())
		}
	}
}

// Required reports whether FAIRLEAD_REQUIRE names a part.
func Required(part string) bool {
	return slices.Contains(strings.Split(os.Getenv("FAIRLEAD_REQUIRE"), ","), part)
}

// Missing skips the test because a part is missing, or fails it where FAIRLEAD_REQUIRE names that part.
func Missing(tb Skipper, part, why string) {
	tb.Helper()
	if Required(part) {
		tb.Fatalf("%s is required: %s", part, why)
	}
	tb.Skipf("needs %s: %s", part, why)
}
