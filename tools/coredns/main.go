// Command coredns is CoreDNS with the one plugin that benchmarks compare with, hosts, and bind. It is a module of its own, so that its dependencies
// are not ours.
package main

import (
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/hosts"
)

func main() { coremain.Run() }
