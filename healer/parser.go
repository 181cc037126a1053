package healer

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fairlead/fairlead/discovery/strictjson"
)

// parser reads a desired file's text.
type parser struct {
	*strictjson.Reader
	path string
}

// entry is a service as the file has it, with the line it begins at.
type entry struct {
	Service
	line int
}

// name names an entry for people.
func (e *entry) name(n int) string {
	if e.Domain == "" {
		return fmt.Sprintf("service %d", n)
	}
	return fmt.Sprintf("service %d (%s)", n, e.Domain)
}

func newParser(path string, text []byte) *parser {
	return &parser{strictjson.New(text), path}
}

// file = { "services": [ service… ] }
func (p *parser) file() ([]*entry, error) {
	var entries []*entry
	found := false
	err := p.Object(func(key string) error {
		if key != "services" {
			return fmt.Errorf("unknown field %q, only \"services\" is known here", key)
		}
		found = true
		return p.Array(func() error {
			e := new(entry)
			entries = append(entries, e)
			err := p.service(e)
			if err != nil {
				return fmt.Errorf("%s: %w", e.name(len(entries)), err)
			}
			return nil
		})
	})
	if err == nil && !found {
		err = errors.New(`the field "services" is missing`)
	}
	if err == nil {
		err = p.End()
	}
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", p.path, p.Line(), err)
	}
	return entries, nil
}

func (p *parser) service(e *entry) error {
	fields := map[string]any{
		"domain": &e.Domain, "cluster": &e.Cluster, "count": &e.Count, "singleton": &e.Singleton,
		"min_available": &e.MinAvailable, "stateful": &e.Stateful, "on_partition": &e.OnPartition,
	}
	err := p.Open()
	e.line = p.Line()
	if err != nil {
		return err
	}
	return p.Members(func(key string) error {
		if key == "run" {
			return p.run(&e.Run)
		}
		return p.field(key, fields)
	})
}

func (p *parser) run(r *Run) error {
	fields := map[string]any{"swarm": &r.Swarm, "image": &r.Image, "command": &r.Command}
	return p.Object(func(key string) error {
		switch key {
		case "host":
			if err := p.Decode(&r.Host); err != nil {
				if _, ok := errors.AsType[*strictjson.MismatchError](err); ok {
					return errSeveralHosts
				}
				return err
			}
			return nil
		case "port":
			return p.port(&r.Port)
		case "env":
			return p.words(key, &r.Env)
		case "labels":
			return p.words(key, &r.Labels)
		case "mounts":
			return p.Array(func() error {
				var m Mount
				r.Mounts = append(r.Mounts, m)
				to := &r.Mounts[len(r.Mounts)-1]
				fields := map[string]any{"source": &to.Source, "target": &to.Target, "read_only": &to.ReadOnly}
				return p.Object(func(key string) error { return p.field(key, fields) })
			})
		}
		return p.field(key, fields)
	})
}

func (p *parser) port(port *uint16) error {
	var n json.Number
	if err := p.Decode(&n); err != nil {
		return fmt.Errorf("field port: %w", err)
	}
	number, err := n.Int64()
	if err != nil || number < 1 || number > 65535 {
		return fmt.Errorf("field port: %s is not a port from 1 to 65535", n)
	}
	*port = uint16(number)
	return nil
}

// words reads an object of texts.
func (p *parser) words(field string, into *map[string]string) error {
	words := map[string]string{}
	*into = words
	return p.Object(func(key string) error {
		var value string
		if err := p.Decode(&value); err != nil {
			return fmt.Errorf("field %s: %q: %w", field, key, err)
		}
		words[key] = value
		return nil
	})
}

// field decodes the value of a key into where it belongs.
func (p *parser) field(key string, fields map[string]any) error {
	to := fields[key]
	if to == nil {
		return fmt.Errorf("unknown field %q", key)
	}
	if err := p.Decode(to); err != nil {
		return fmt.Errorf("field %s: %w", key, err)
	}
	return nil
}
