package discovery

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"time"
)

// CatalogOptions are the settings of a Catalog. What is zero takes its default.
type CatalogOptions struct {
	// VanishHold is how long a mass is held at most (15 minutes).
	VanishHold time.Duration
	// MassWindow (2 s) and MassMin (3) make a mass: so many present instances of the cluster or of one node, and at least half of
	// them, vanish within the window.
	MassWindow time.Duration
	MassMin    int
	// ProbeInterval (5 s) is the time between two probes of a held instance, ProbeTimeout (1 s) that one may take.
	ProbeInterval, ProbeTimeout time.Duration
	// Probe returns nil if something accepts connections at hostport; nil dials TCP.
	Probe func(ctx context.Context, hostport string) error
	// File is the snapshot file, "" for none.
	File string
	// SaveEvery is the time between two writes of the snapshot file at least (2 s).
	SaveEvery time.Duration
	// Logger is told of masses, their end and the snapshot file; nil discards.
	Logger *slog.Logger
}

// withDefaults fills in what is zero.
func (o CatalogOptions) withDefaults() CatalogOptions {
	o.VanishHold = cmp.Or(o.VanishHold, 15*time.Minute)
	o.MassWindow = cmp.Or(o.MassWindow, 2*time.Second)
	o.MassMin = cmp.Or(o.MassMin, 3)
	o.ProbeInterval = cmp.Or(o.ProbeInterval, 5*time.Second)
	o.ProbeTimeout = cmp.Or(o.ProbeTimeout, time.Second)
	o.SaveEvery = cmp.Or(o.SaveEvery, 2*time.Second)
	if o.Probe == nil {
		o.Probe = dial
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// dial opens a TCP connection and closes it again.
func dial(ctx context.Context, hostport string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", hostport)
	if err != nil {
		return err
	}
	return conn.Close()
}
