package healer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// parser reads a desired file's text token by token, so that every error can name its line, and a key given twice is one.
type parser struct {
	path string
	text []byte
	dec  *json.Decoder
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
	return &parser{path: path, text: text, dec: json.NewDecoder(bytes.NewReader(text))}
}

// line is the line of the last token read.
func (p *parser) line() int {
	return 1 + bytes.Count(p.text[:min(int(p.dec.InputOffset()), len(p.text))], []byte{'\n'})
}

// file = { "services": [ service… ] }
func (p *parser) file() ([]*entry, error) {
	var entries []*entry
	found := false
	err := p.object(func(key string) error {
		if key != "services" {
			return fmt.Errorf("unknown field %q, only \"services\" is known here", key)
		}
		found = true
		return p.array(func() error {
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
		if _, end := p.dec.Token(); end != io.EOF {
			err = errors.New("something follows the end of the object")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", p.path, p.line(), err)
	}
	return entries, nil
}

func (p *parser) service(e *entry) error {
	fields := map[string]any{
		"domain": &e.Domain, "cluster": &e.Cluster, "count": &e.Count, "singleton": &e.Singleton,
		"min_available": &e.MinAvailable, "stateful": &e.Stateful, "on_partition": &e.OnPartition,
	}
	err := p.expect('{')
	e.line = p.line()
	if err != nil {
		return err
	}
	return p.members(func(key string) error {
		if key == "run" {
			return p.run(&e.Run)
		}
		return p.field(key, fields)
	})
}

func (p *parser) run(r *Run) error {
	fields := map[string]any{"swarm": &r.Swarm, "image": &r.Image, "command": &r.Command}
	return p.object(func(key string) error {
		switch key {
		case "host":
			if err := p.dec.Decode(&r.Host); err != nil {
				if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
					return errSeveralHosts
				}
				return plain(err)
			}
			return nil
		case "port":
			return p.port(&r.Port)
		case "env":
			return p.words(key, &r.Env)
		case "labels":
			return p.words(key, &r.Labels)
		case "mounts":
			return p.array(func() error {
				var m Mount
				r.Mounts = append(r.Mounts, m)
				to := &r.Mounts[len(r.Mounts)-1]
				fields := map[string]any{"source": &to.Source, "target": &to.Target, "read_only": &to.ReadOnly}
				return p.object(func(key string) error { return p.field(key, fields) })
			})
		}
		return p.field(key, fields)
	})
}

func (p *parser) port(port *uint16) error {
	var n json.Number
	if err := p.dec.Decode(&n); err != nil {
		return fmt.Errorf("field port: %w", plain(err))
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
	return p.object(func(key string) error {
		var value string
		if err := p.dec.Decode(&value); err != nil {
			return fmt.Errorf("field %s: %q: %w", field, key, plain(err))
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
	if err := p.dec.Decode(to); err != nil {
		return fmt.Errorf("field %s: %w", key, plain(err))
	}
	return nil
}

// object reads an object and calls member for each of its keys, to read the value.
func (p *parser) object(member func(key string) error) error {
	if err := p.expect('{'); err != nil {
		return err
	}
	return p.members(member)
}

func (p *parser) members(member func(key string) error) error {
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

func (p *parser) array(element func() error) error {
	if err := p.expect('['); err != nil {
		return err
	}
	for p.dec.More() {
		if err := element(); err != nil {
			return err
		}
	}
	return p.expect(']')
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
