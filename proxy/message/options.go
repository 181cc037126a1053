package message

import (
	"strings"

	"github.com/fairlead/fairlead/proxy/http1"
)

// Options are the names that Connection declares to belong to one hop (RFC 9110 §7.6.1).
type Options []string

// Append adds those of one line; usually there are none besides the options that are no field names.
func (o Options) Append(line string) Options {
	if http1.EqualFold(line, "keep-alive") || http1.EqualFold(line, "close") {
		return o
	}
	for more := true; more; {
		var option string
		option, line, more = strings.Cut(line, ",")
		if option = strings.Trim(option, " \t"); option != "" {
			o = append(o, option)
		}
	}
	return o
}

// Has reports whether a field was declared to belong to one hop. Those we write ourselves cannot be dropped in this way, since they are
// written after.
func (o Options) Has(name string) bool {
	for _, option := range o {
		if strings.EqualFold(option, name) {
			return true
		}
	}
	return false
}
