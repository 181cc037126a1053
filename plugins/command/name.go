package command

import (
	"cmp"
	"runtime/debug"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.CustomBinaryName = "fairlead"
	caddy.CustomVersion = "Fairlead " + version() + ", built on Caddy"
	caddy.CustomLongDescription = `Fairlead is an edge proxy and load balancer that finds its backends in Consul by their domain. It is built on Caddy, whose
configuration, certificates and commands it has.

	$ fairlead demo                            shows all of it, without Consul
	$ fairlead local                           serves the containers of this machine's Docker engine
	$ fairlead agent --advertise ADDRESS       keeps this host's containers registered in Consul
	$ fairlead run --config Caddyfile          serves what the configuration says
	$ fairlead reload --config Caddyfile       loads a changed configuration without a pause
	$ fairlead explain shop.example.com        says why a request is answered as it is
	$ fairlead pools                           lists the domains and who serves them
	$ fairlead sources                         says what is heard from each source
	$ fairlead check                           says whether as many copies are present as wanted
	$ fairlead heal --dry-run                  says what would be healed now, and what keeps it from being healed
	$ fairlead host drain web-2 --reason kernel  empties a host for work on it, copy by copy
	$ fairlead drain live/web1/shop-1 --reason "new disk" --for 2h
`
}

// version returns the version of the module the program was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "of unknown version"
	}
	return cmp.Or(info.Main.Version, "(devel)")
}
