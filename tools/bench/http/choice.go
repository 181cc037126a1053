package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/tools/lab"
)

// given are programs by the name or folder of their peer, a flag.
type given map[string]string

// String is part of flag.Value.
func (g given) String() string { return fmt.Sprint(map[string]string(g)) }

// Set is part of flag.Value.
func (g given) Set(text string) error {
	name, program, ok := strings.Cut(text, "=")
	if !ok || name == "" || program == "" {
		return fmt.Errorf("write NAME=PROGRAM or FOLDER=PROGRAM")
	}
	g[name] = program
	return nil
}

// choose returns the scenarios that a flag names, all if it is empty.
func choose(flag string) (map[string]bool, error) {
	wanted := map[string]bool{"idle": flag == "", "idle-tls": flag == ""}
	for _, s := range scenarios() {
		wanted[s.name] = flag == ""
	}
	if flag == "" {
		return wanted, nil
	}
	for name := range strings.SplitSeq(flag, ",") {
		if _, ok := wanted[name]; !ok {
			return nil, fmt.Errorf("there is no scenario %q, only %s", name, strings.Join(slices.Sorted(maps.Keys(wanted)), ", "))
		}
		wanted[name] = true
	}
	return wanted, nil
}

// choosePeers returns the peers that a flag names, which must all be there, or else all that are there.
func choosePeers(tb lab.TB, flag string, programs given) []*peer {
	names := known
	if flag != "" {
		names = strings.Split(flag, ",")
	}
	var peers []*peer
	for _, name := range names {
		p, err := knownPeer(tb, name, programs)
		switch {
		case err == nil:
			peers = append(peers, p)
		case flag != "":
			tb.Fatalf("%s cannot be measured: %v", name, err)
		default:
			tb.Logf("%s is not measured: %v", name, err)
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(programs)) {
		if !strings.Contains(folder, "/") {
			continue
		}
		p, err := ownPeer(folder, programs[folder])
		if err != nil {
			tb.Fatalf("%s cannot be measured: %v", folder, err)
		}
		peers = append(peers, p)
	}
	return peers
}
