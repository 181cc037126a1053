package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/fairlead/fairlead/tools/lab"
)

// host is the domain that all requests are for.
const host = "bench.example.com"

// address is a port of 127.0.0.1.
type address struct {
	Port int
	TLS  bool
}

// String is host:port.
func (a address) String() string { return fmt.Sprintf("127.0.0.1:%d", a.Port) }

// URL is that of a path there.
func (a address) URL(path string) string {
	if a.TLS {
		return "https://" + a.String() + path
	}
	return "http://" + a.String() + path
}

// settings is what templates know.
type settings struct {
	Dir        string // the peer's own folder
	Host       string
	Processors int
	Root       bool // whether this program, and so the peer, runs as root
	HTTP, TLS  address
	Admin      address
	Members    []address
	Variant    string
	Catalog    string // Fairlead's catalogue
	Small      string // the body of 128 bytes
	identity
}

// Doors are the addresses that clients use.
func (s settings) Doors() []address { return []address{s.HTTP, s.TLS} }

// at returns the settings of one start of a peer: with a folder and ports of its own.
func (s settings) at(tb lab.TB) settings {
	s.Dir = tb.TempDir()
	s.HTTP, s.TLS = address{Port: lab.FreePort(tb)}, address{Port: lab.FreePort(tb), TLS: true}
	s.Admin = address{Port: lab.FreePort(tb)}
	return s
}

// newSettings makes what all peers share: the members' addresses, the certificate, and Fairlead's catalogue of so many domains.
func newSettings(tb lab.TB, members, domains int) settings {
	tb.Helper()
	s := settings{Host: host, Processors: runtime.NumCPU(), Root: os.Getuid() == 0, Small: strings.Repeat("x", 128)}
	for range members {
		s.Members = append(s.Members, address{Port: lab.FreePort(tb)})
	}
	dir := tb.TempDir()
	var err error
	if s.identity, err = newIdentity(dir); err != nil {
		tb.Fatalf("making a certificate: %v", err)
	}
	return s.with(tb, domains)
}

// with returns the settings with a catalogue of so many domains.
func (s settings) with(tb lab.TB, domains int) settings {
	tb.Helper()
	var err error
	if s.Catalog, err = writeCatalog(tb.TempDir(), s.Members, domains); err != nil {
		tb.Fatalf("writing the catalogue: %v", err)
	}
	return s
}
