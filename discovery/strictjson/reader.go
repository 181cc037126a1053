// Package strictjson reads the JSON files that people write: token by token, so that every error can name its line, and a key given twice
// is one.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
)

// Reader reads one document from its beginning to its end. Its errors are written for whoever wrote the document.
type Reader struct {
	text []byte
	dec  *json.Decoder
}

// New returns a reader of text, which it keeps.
func New(text []byte) *Reader {
	return &Reader{text: text, dec: json.NewDecoder(bytes.NewReader(text))}
}

// Line returns the line of the last token read, from 1.
func (r *Reader) Line() int {
	return 1 + bytes.Count(r.text[:min(int(r.dec.InputOffset()), len(r.text))], []byte{'\n'})
}

// Object reads an object and calls member for each of its keys, to read the value; a key given twice is an error.
func (r *Reader) Object(member func(key string) error) error {
	if err := r.Open(); err != nil {
		return err
	}
	return r.Members(member)
}

// Open reads an object's beginning, behind which Members is to read the rest.
func (r *Reader) Open() error { return r.expect('{') }

// Members is what Object does behind the object's beginning.
func (r *Reader) Members(member func(key string) error) error {
	seen := map[string]bool{}
	for r.dec.More() {
		token, err := r.dec.Token()
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
	return r.expect('}')
}

// Array reads an array and calls element to read each of its elements.
func (r *Reader) Array(element func() error) error {
	if err := r.expect('['); err != nil {
		return err
	}
	for r.dec.More() {
		if err := element(); err != nil {
			return err
		}
	}
	return r.expect(']')
}

// Decode reads a value into what a pointer leads to. A value of another type is a *MismatchError.
func (r *Reader) Decode(into any) error { return plain(r.dec.Decode(into)) }

// End makes sure that nothing follows.
func (r *Reader) End() error {
	if _, err := r.dec.Token(); err != io.EOF {
		return errors.New("something follows the end of the object")
	}
	return nil
}

func (r *Reader) expect(delim json.Delim) error {
	token, err := r.dec.Token()
	if err != nil {
		return plain(err)
	}
	if token != delim {
		return fmt.Errorf("expected %q, found %v", delim.String(), token)
	}
	return nil
}

// MismatchError is a value of another type than belongs in its place.
type MismatchError struct {
	Found string // a kind of JSON value
	Want  reflect.Type
}

// Error implements error.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s where a value of type %s belongs", e.Found, e.Want)
}

// plain says in the file's own words what the decoder found: an end too early is a file that is empty or not written out yet.
func plain(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file ends too early")
	}
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &MismatchError{Found: mismatch.Value, Want: mismatch.Type}
	}
	return err
}
