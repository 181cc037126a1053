package static

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/strictjson"
)

// parser reads the file's text.
type parser struct {
	*strictjson.Reader
	cluster string
	seen    map[string]string // instance ID → its service
}

// parse reads the file's text. Its errors name the file, the line and the service.
func parse(cluster, path string, text []byte) (map[string]*discovery.Service, error) {
	p := &parser{Reader: strictjson.New(text), cluster: cluster, seen: map[string]string{}}
	services, err := p.file()
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", path, p.Line(), err)
	}
	return services, nil
}

// file = { "services": { NAME: [ instance… ]… } }
func (p *parser) file() (map[string]*discovery.Service, error) {
	var services map[string]*discovery.Service
	err := p.Object(func(key string) (err error) {
		if key != "services" {
			return fmt.Errorf("unknown field %q, only \"services\" is known here", key)
		}
		services, err = p.services()
		return err
	})
	if err != nil {
		return nil, err
	}
	if services == nil {
		return nil, errors.New(`the field "services" is missing`)
	}
	return services, p.End()
}

func (p *parser) services() (map[string]*discovery.Service, error) {
	services := map[string]*discovery.Service{}
	err := p.Object(func(name string) error {
		if err := checkName(name); err != nil {
			return fmt.Errorf("service %q: %w", name, err)
		}
		instances, err := p.instances(name)
		if err != nil {
			return fmt.Errorf("service %s: %w", name, err)
		}
		slices.SortFunc(instances, func(a, b discovery.Instance) int { return cmp.Compare(a.ID, b.ID) })
		services[name] = &discovery.Service{Name: name, Instances: instances}
		return nil
	})
	return services, err
}

func (p *parser) instances(service string) ([]discovery.Instance, error) {
	var all []discovery.Instance
	err := p.Array(func() error {
		e, err := p.entry()
		var i discovery.Instance
		if err == nil {
			i, err = e.instance(p.cluster, service)
		}
		if other, taken := p.seen[i.ID]; err == nil && taken {
			err = fmt.Errorf("id %q on node %q is taken by an instance of %s", i.ServiceID, i.Node, other)
		}
		if err != nil {
			return fmt.Errorf("instance %d: %w", len(all)+1, err)
		}
		p.seen[i.ID] = service
		all = append(all, i)
		return nil
	})
	return all, err
}

func (p *parser) entry() (e entry, err error) {
	err = p.Object(func(key string) error {
		field := e.field(key)
		if field == nil {
			return fmt.Errorf("unknown field %q", key)
		}
		if err := p.Decode(field); err != nil {
			return fmt.Errorf("field %s: %w", key, err)
		}
		return nil
	})
	return e, err
}
