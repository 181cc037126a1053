// Command fairlead is Caddy with Fairlead in it.
package main

import (
	"runtime"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/fairlead/fairlead/plugins/adminapi"
	_ "github.com/fairlead/fairlead/plugins/app"
	_ "github.com/fairlead/fairlead/plugins/command"
	_ "github.com/fairlead/fairlead/plugins/handler"
	_ "github.com/fairlead/fairlead/plugins/permission"
)

// floor is memory that is reserved and never touched, so that it costs address space only. A proxy holds little and allocates much:
// without it the garbage collector, which runs when the heap has doubled, would run a dozen times a second. The heap may become that
// much larger.
const floor = 32 << 20

func main() {
	reserved := make([]byte, floor)
	caddycmd.Main()
	runtime.KeepAlive(reserved)
}
