// Package lanes drives the listeners of proxy/lane by each of its engines, for tests.
package lanes

import (
	"net"
	"testing"

	"github.com/fairlead/fairlead/proxy/lane"
	"github.com/fairlead/fairlead/tools/lab"
)

// Engines are the ways to drive a lane, by name: each accepts connections for a listener until the test ends, and returns its address.
var Engines = map[string]func(tb testing.TB, l *lane.Listener) string{"portable": func(tb testing.TB, l *lane.Listener) string {
	tb.Helper()
	return lab.Accept(tb, func(c net.Conn) { l.Serve(c) })
}}
