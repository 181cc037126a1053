package hosts

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Map returns the lab's addresses as a table, and how to get in.
func (l *Lab) Map() string {
	var b strings.Builder
	fmt.Fprintf(&b, "edge (this machine): %s   network: %s   files: %s\n\n", l.Edge, l.net.subnet, l.Dir)
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "HOST\tADDRESS\tCONSUL\tDOCKER\tA SHELL ON IT")
	for _, h := range l.Hosts {
		shell := "off"
		if h.On() {
			shell = fmt.Sprintf("nsenter -t %d -a", h.PID())
		}
		fmt.Fprintf(w, "%s\t%s\thttp://%s\tunix://%s\t%s\n", h.Name, h.Address, h.Addr(8500), h.Socket(), shell)
	}
	w.Flush() // writing to b does not fail
	return b.String()
}
