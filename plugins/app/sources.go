package app

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/consul"
	"github.com/fairlead/fairlead/discovery/docker"
)

// catalogSpec says what a catalog is made of. Two that are equal are one catalog.
type catalogSpec struct {
	cluster string
	consul  []consul.Config
	docker  []docker.Config
	files   []File
	hold    time.Duration
	dir     string // of its snapshot file and of documents that no Consul keeps
}

func (c *catalogSpec) snapshotFile() string {
	return filepath.Join(c.dir, "catalog-"+c.cluster+".json")
}

func (c *catalogSpec) documentsFile() string {
	return filepath.Join(c.dir, "state-"+c.cluster+".json")
}

func (c *catalogSpec) options() discovery.CatalogOptions {
	return discovery.CatalogOptions{VanishHold: c.hold, File: c.snapshotFile()}
}

// addSources resolves the cluster's sources. A source is known by its name, so that no two may have the same.
func (c *catalogSpec) addSources(from *Cluster) error {
	if from.sources() == 0 {
		return errNoSource
	}
	names := map[string]bool{}
	for _, agent := range from.Consul {
		config, err := agent.config(from.Name)
		if err != nil {
			return err
		}
		if names[config.Address] {
			return fmt.Errorf("two sources are the Consul agent %s", config.Address)
		}
		names[config.Address] = true
		c.consul = append(c.consul, config)
	}
	for _, engine := range from.Docker {
		config, err := engine.config(from.Name)
		if err != nil {
			return err
		}
		if names[config.Host] {
			return fmt.Errorf("two sources are the Docker engine %s", config.Host)
		}
		names[config.Host] = true
		c.docker = append(c.docker, config)
	}
	for _, file := range from.Files {
		path, err := caddy.NewReplacer().ReplaceOrErr(file.Path, true, true)
		if err != nil {
			return fmt.Errorf("file: %w", err)
		}
		if path == "" || names[path] {
			return fmt.Errorf("file %q: want the path of a file, each once", path)
		}
		names[path] = true
		c.files = append(c.files, File{Path: path, Poll: file.Poll})
	}
	return nil
}

// sources returns how many sources the cluster has.
func (c *Cluster) sources() int { return len(c.Consul) + len(c.Docker) + len(c.Files) }

// config resolves the placeholders. The token is in effect from a file or the environment only: what stands in the configuration
// itself is shown to everybody who may ask the admin endpoint.
func (c *Consul) config(cluster string) (consul.Config, error) {
	address := cmp.Or(c.Address, "127.0.0.1:8500")
	resolved := consul.Config{
		Cluster: cluster, Datacenter: c.Datacenter, Stale: c.Stale, MaxWatches: c.MaxWatches,
		Canary: time.Duration(c.Canary), Timeout: time.Duration(c.Timeout),
	}
	if err := checkToken(c.Token); err != nil {
		return resolved, fmt.Errorf("consul %s: %w", address, err)
	}
	r := caddy.NewReplacer()
	for _, field := range []struct {
		to   *string
		from string
	}{{&resolved.Address, address}, {&resolved.Token, c.Token}, {&resolved.TokenFile, c.TokenFile}} {
		value, err := r.ReplaceOrErr(field.from, true, true)
		if err != nil {
			return resolved, fmt.Errorf("consul %s: %w", address, err)
		}
		*field.to = strings.TrimSpace(value)
	}
	if c.TLS != nil {
		resolved.TLS = consul.TLS(*c.TLS)
	}
	return resolved, nil
}

// checkToken refuses an ACL token that is not a placeholder as a whole.
func checkToken(token string) error {
	if token == "" {
		return nil
	}
	for _, source := range []string{"{env.", "{file."} {
		if strings.HasPrefix(token, source) && strings.HasSuffix(token, "}") && strings.Count(token, "{") == 1 {
			return nil
		}
	}
	return errors.New("the token stands in the configuration, where the admin endpoint shows it: write token_file PATH, token {env.NAME} or token {file./PATH}")
}
