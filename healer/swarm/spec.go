package swarm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/swarm"
)

// reproduces says what would be lost or changed if the spec, as it was read from the engine's raw answer, were written back. An engine
// newer than the client library may know fields that the library drops, and every one of them would restart all tasks.
func reproduces(raw []byte, spec swarm.ServiceSpec) error {
	var answer struct{ Spec any }
	if err := decode(raw, &answer); err != nil {
		return fmt.Errorf("reading the engine's spec: %w", err)
	}
	document, err := json.Marshal(spec)
	if err != nil {
		return fmt.Errorf("writing the spec: %w", err)
	}
	var written any
	if err := decode(document, &written); err != nil {
		return fmt.Errorf("reading the spec: %w", err)
	}
	if where := difference("Spec", answer.Spec, written); where != "" {
		return fmt.Errorf("its %s would not survive an update by this version of Fairlead, and all tasks would restart: "+
			"scale the service by hand, and update Fairlead", where)
	}
	return keepsImage(spec)
}

func decode(document []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	return d.Decode(into)
}

// difference returns where two JSON documents differ, or nothing. What is null in one may be missing in the other, which is the same to
// an engine.
func difference(where string, a, b any) string {
	switch a := a.(type) {
	case map[string]any:
		b, same := b.(map[string]any)
		if !same {
			return where
		}
		both := maps.Clone(a)
		maps.Copy(both, b)
		for _, key := range slices.Sorted(maps.Keys(both)) {
			if found := difference(where+"."+key, a[key], b[key]); found != "" {
				return found
			}
		}
		return ""
	case []any:
		b, same := b.([]any)
		if !same || len(a) != len(b) {
			return where
		}
		for i := range a {
			if found := difference(where+"["+strconv.Itoa(i)+"]", a[i], b[i]); found != "" {
				return found
			}
		}
		return ""
	}
	if !reflect.DeepEqual(a, b) {
		return where
	}
	return ""
}

// keepsImage refuses images that the client library writes in another way when it updates a service: it adds the tag "latest" where
// there is none, and shortens docker.io/library/x to x.
func keepsImage(spec swarm.ServiceSpec) error {
	if spec.TaskTemplate.ContainerSpec == nil {
		return errors.New("it does not run containers")
	}
	image := spec.TaskTemplate.ContainerSpec.Image
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return nil // such a one is left as it is
	}
	if written := reference.FamiliarString(reference.TagNameOnly(named)); written != image {
		return fmt.Errorf("its image %s would be written as %s, and all tasks would restart: update the service to %s when that is convenient",
			image, written, written)
	}
	return nil
}
