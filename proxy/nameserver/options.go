package nameserver

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/fairlead/fairlead/proxy/route"
)

// The shortest and longest time an answer may be kept: it is a whole number of seconds in DNS, and members come and go.
const (
	MinTTL = time.Second
	MaxTTL = 5 * time.Second
)

// Options are the nameserver's settings; the zero value of each stands for its default.
type Options struct {
	// Zone is the domain of the service and address names; "fairlead." by default.
	Zone string
	// TTL is how long any answer may be kept, negative ones included, from MinTTL to MaxTTL; 2 s by default.
	TTL time.Duration
	// Timeout is how long a TCP client may take to send its next question, or to take an answer; 5 s by default.
	Timeout time.Duration
	// MaxConns is the most TCP connections at once, on all listeners together; 256 by default. Those above it are closed.
	MaxConns int
	// Readers is how many goroutines read each UDP socket; as many as there are processors by default.
	Readers int
	// Retry is the wait after a socket's passing error; 5 ms by default.
	Retry time.Duration
	// Logger takes what operators should know; slog's discarding one by default.
	Logger *slog.Logger
}

// Validate reports the first setting that cannot work.
func (o Options) Validate() error {
	name, ok := route.Normalise(o.Zone)
	switch {
	case o.Zone != "" && (!ok || name == "" || strings.Contains(o.Zone, ":")):
		return fmt.Errorf("zone %q is not a domain name", o.Zone)
	case o.TTL != 0 && (o.TTL < MinTTL || o.TTL > MaxTTL):
		return fmt.Errorf("ttl %s is not from %s to %s", o.TTL, MinTTL, MaxTTL)
	case o.Timeout < 0:
		return fmt.Errorf("timeout %s is negative", o.Timeout)
	case o.Retry < 0:
		return fmt.Errorf("retry %s is negative", o.Retry)
	case o.MaxConns < 0:
		return fmt.Errorf("%d connections are too few", o.MaxConns)
	case o.Readers < 0:
		return fmt.Errorf("%d readers are too few", o.Readers)
	}
	return nil
}

// withDefaults returns o with every default filled in.
func (o Options) withDefaults() Options {
	if o.Zone == "" {
		o.Zone = "fairlead."
	}
	if o.TTL == 0 {
		o.TTL = 2 * time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.MaxConns == 0 {
		o.MaxConns = 256
	}
	if o.Readers == 0 {
		o.Readers = runtime.GOMAXPROCS(0)
	}
	if o.Retry == 0 {
		o.Retry = 5 * time.Millisecond
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
