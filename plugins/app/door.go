package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/admin/agent"
	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/docker"
	"github.com/fairlead/fairlead/plugins/network"
)

// agentService is what an agent's door is registered as.
const agentService = "fairlead-agent"

// door is the running door of one host to the logs and statistics of its containers.
type door struct {
	*agent.Door
	reader   *docker.Reader
	listener net.Listener
	server   *http.Server
}

// open opens the listener, and has the door registered beside the containers.
func (l *logsSpec) open(r *registerSpec, all *containers, authorities map[string]*authority, log *slog.Logger) (*door, error) {
	var shown identity
	if l.Internal != "" {
		shown = &internalIdentity{id: l.Internal, names: []string{r.node, agentService}, ips: []net.IP{l.Address.AsSlice()}, first: authorities[l.Internal]}
	} else {
		files, err := newFileIdentity(l)
		if err != nil {
			return nil, err
		}
		shown = files
	}
	if _, _, err := shown.current(); err != nil {
		return nil, err
	}
	reader, err := docker.NewReader(r.source)
	if err != nil {
		return nil, err
	}
	listener, err := network.Door(context.Background(), l.Listen)
	if err != nil {
		return nil, err
	}
	d := &door{
		Door:   &agent.Door{Containers: reader, Services: all.names, Clients: l.Clients, Viewers: l.Viewers, Logger: log},
		reader: reader, listener: listener,
	}
	d.server = &http.Server{
		Handler: d.Door.Handler(), TLSConfig: serverTLS(shown, log), ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	id := fmt.Sprintf("%s:%s:%d", r.node, agentService, l.Port)
	all.own = &discovery.Instance{
		ID: discovery.InstanceID(r.source.Cluster, r.node, id), Cluster: r.source.Cluster, Node: r.node, Service: agentService, ServiceID: id,
		Address: l.Address.String(), Port: l.Port, Meta: map[string]string{"check_tcp": "true", "check_interval": "10s", "scheme": "https"},
	}
	return d, nil
}

// run serves until ctx ends. Viewers are sent away then: they resume where they were.
func (d *door) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		<-ctx.Done()
		_ = d.server.Close() // it has nothing to finish
		d.reader.Close()
		return ctx.Err()
	})
	group.Go(func() error {
		if err := d.server.ServeTLS(d.listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving logs: %w", err)
		}
		return nil
	})
	return group.Wait()
}
