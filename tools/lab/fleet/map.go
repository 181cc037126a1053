package fleet

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Map returns the addresses of all there is, as tables.
func (f *Fleet) Map() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nA fairlead agent runs on each host; its log is agent.log in the host's folder below the files.\n\n", f.Lab.Map())
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "EDGE\tHTTP\tADMIN\tFOLLOWS AND HEALS THROUGH\tFILES")
	for i, e := range f.Edges {
		fmt.Fprintf(w, "%d\thttp://%s:%d\t%s\t%s\t%s\n", i+1, f.Edge, e.Port, e.Admin, e.Host.Name, e.Dir)
	}
	w.Flush() // writing to b does not fail
	fmt.Fprintf(&b, "\nThe edges keep up what %s says. Try:\n", f.Desired)
	if len(f.Edges) > 0 {
		fmt.Fprintf(&b, "  curl -H 'Host: %s' http://%s:%d/\n", Domain, f.Edge, f.Edges[0].Port)
		fmt.Fprintf(&b, "  fairlead check --address %s\n", strings.TrimPrefix(f.Edges[0].Admin, "http://"))
	}
	return b.String()
}
