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

func main() {
	reserved := make([]byte, floor)
	go giveBack()
	caddycmd.Main()
	runtime.KeepAlive(reserved)
}
