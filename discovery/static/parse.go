package static

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/fairlead/fairlead/discovery"
)

// parser reads the file's text token by token, so that every error can name its line.
type parser struct {
	cluster string
	path    string
	text    []byte
	dec     *json.Decoder
	seen    map[string]string // instance ID → its service
}

// parse reads the file's text. Its errors name the file, the line and the service.
func parse(cluster, path string, text []byte) (map[string]*discovery.Service, error) {
	p := &parser{cluster: cluster, path: path, text: text, dec: json.NewDecoder(bytes.NewReader(text)), seen: map[string]string{}}
	services, err := p.file()
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", path, p.line(), err)
	}
	return services, nil
}

// line is the line of the last token read.
func (p *parser) line() int {
	return 1 + bytes.Count(p.text[:min(int(p.dec.InputOffset()), len(p.text))], []byte{'\n'})
}

// file = { "services": { NAME: [ instance… ]… } }
func (p *parser) file() (map[string]*discovery.Service, error) {
	var services map[string]*discovery.Service
	err := p.object(func(key string) (err error) {
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
	if _, err := p.dec.Token(); err != io.EOF {
		return nil, errors.New("something follows the end of the object")
	}
	return services, nil
}

func (p *parser) services() (map[string]*discovery.Service, error) {
	services := map[string]*discovery.Service{}
	err := p.object(func(name string) error {
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
	if err := p.expect('['); err != nil {
		return nil, err
	}
	var all []discovery.Instance
	for p.dec.More() {
		e, err := p.entry()
		var i discovery.Instance
		if err == nil {
			i, err = e.instance(p.cluster, service)
		}
		if other, taken := p.seen[i.ID]; err == nil && taken {
			err = fmt.Errorf("id %q on node %q is taken by an instance of %s", i.ServiceID, i.Node, other)
		}
		if err != nil {
			return nil, fmt.Errorf("instance %d: %w", len(all)+1, err)
		}
		p.seen[i.ID] = service
		all = append(all, i)
	}
	return all, p.expect(']')
}

func (p *parser) entry() (e entry, err error) {
	err = p.object(func(key string) error {
		field := e.field(key)
		if field == nil {
			return fmt.Errorf("unknown field %q", key)
		}
		if err := p.dec.Decode(field); err != nil {
			return fmt.Errorf("field %s: %w", key, plain(err))
		}
		return nil
	})
	return e, err
}

// object reads an object and calls member for each of its keys, to read the value; a key given twice is an error.
func (p *parser) object(member func(key string) error) error {
	if err := p.expect('{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for p.dec.More() {
		token, err := p.dec.Token()
		if err != nil {
			return plain(err)
		}
		key, _ := token.(string) // the decoder lets nothing else stand there
		if seen[key] {
			return fmt.Errorf("%q is given twice", key)
		}
		seen[key] = true
		if err := member(key); err != nil {
			return err
		}
	}
	return p.expect('}')
}

func (p *parser) expect(delim json.Delim) error {
	token, err := p.dec.Token()
	if err != nil {
		return plain(err)
	}
	if token != delim {
		return fmt.Errorf("expected %q, found %v", delim.String(), token)
	}
	return nil
}

// plain says in the file's own words what the decoder found: an end too early is a file that is empty or not written out yet.
func plain(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file ends too early")
	}
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s where a value of type %s belongs", mismatch.Value, mismatch.Type)
	}
	return err
}
