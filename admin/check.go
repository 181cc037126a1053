package admin

import (
	"errors"
	"io"
	"net/http"
	"regexp"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/proxy/pool"
)

// mostDesired bounds a desired file that is sent to be compared, in bytes.
const mostDesired = 16 << 20

// checkView is a verdict, and what is wrong with the desired file it was made by, if anything.
type checkView struct {
	*healer.Verdict
	Problem string `json:"problem,omitempty"`
}

// check compares the newest facts with the desired file in force.
func (a *api) check(s *pool.Snapshot, r *http.Request) (any, error) {
	values, err := queryRepeated(r, []string{"service"}, "service")
	if err != nil {
		return nil, err
	}
	wishes := a.healing.latest().Desired
	if wishes == nil {
		return nil, noHealing()
	}
	desired, trouble := wishes.Current()
	if desired == nil {
		if trouble == "" {
			trouble = "the desired file has not been read yet"
		}
		return nil, &problem{status: http.StatusServiceUnavailable, Message: trouble, Hint: "nothing is known of what is wanted until the desired file is right"}
	}
	return a.compare(s, desired, trouble, values["service"])
}

// checkAgainst compares the newest facts with a desired file that is sent. `file` is what its errors call it.
func (a *api) checkAgainst(s *pool.Snapshot, r *http.Request) (any, error) {
	values, err := queryRepeated(r, []string{"service"}, "service", "file")
	if err != nil {
		return nil, err
	}
	const hint = "the body must be a desired file"
	text, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, mostDesired))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, &problem{status: http.StatusRequestEntityTooLarge, Message: "the body is larger than 16 MiB", Hint: hint}
	}
	if err != nil {
		return nil, badInput(hint, "reading the body: %v", err)
	}
	var names []string
	for _, c := range s.Clusters {
		names = append(names, c.Name)
	}
	if len(names) == 0 {
		return nil, unknown("add a cluster to the configuration", "no cluster is configured")
	}
	file := values.Get("file")
	if file == "" {
		file = "body"
	}
	desired, err := healer.Parse(file, text, names)
	if err != nil {
		return nil, badInput(hint, "%v", err)
	}
	return a.compare(s, desired, "", values["service"])
}

func (a *api) compare(s *pool.Snapshot, desired *healer.Desired, trouble string, only []string) (any, error) {
	verdict, err := healer.Check(desired, a.facts(s), only)
	if err != nil {
		return nil, unknown("leave the service out for all of them", "%v", err)
	}
	for i := range verdict.Services {
		verdict.Services[i].Reason = steady(verdict.Services[i].Reason)
	}
	return checkView{verdict, trouble}, nil
}

// facts returns the newest facts of all clusters.
func (a *api) facts(s *pool.Snapshot) (all []*discovery.Facts) {
	if healing := a.healing.latest(); healing.Facts != nil {
		return healing.Facts()
	}
	for _, c := range s.Clusters {
		if facts := a.edge.Facts(c.Name); facts != nil {
			all = append(all, facts)
		}
	}
	return all
}

// fleeting is what a reason has of moments, and of our own ends of connections.
var fleeting = regexp.MustCompile(`,? (?:at|of|until) \d{4}-\d\d-\d\dT[0-9:.]+Z(?: at the latest)?|\S+:\d+->`)

// steady takes out of a reason what differs each time although nothing has changed: a check with changed output fires watches.
func steady(reason string) string { return fleeting.ReplaceAllString(reason, "") }
