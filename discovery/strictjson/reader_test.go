package strictjson_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/discovery/strictjson"
)

// read reads {"list": [NUMBER…], "more": {…}}, with a more in each more.
func read(r *strictjson.Reader, into *[]int) error {
	return r.Object(func(key string) error {
		switch key {
		case "list":
			return r.Array(func() error {
				var n int
				err := r.Decode(&n)
				*into = append(*into, n)
				return err
			})
		case "more":
			return read(r, into)
		}
		return fmt.Errorf("unknown field %q", key)
	})
}

func TestReader(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: "1: []",
		"{\n\"list\": [1, 2],\n\"more\": {\n}\n}": "5: [1 2]",
		`{"more": {"list": [3]}, "list": [4]}`:    "1: [3 4]",
		"{\"list\": [],\n\"list\": []}":           `2: "list" is given twice`,
		"{\"list\": [1,\n\n\"x\"]}":               "3: string where a value of type int belongs",
		`[]`:                                      `1: expected "{", found [`,
		"{\n\"list\": 1}":                         `2: expected "[", found 1`,
		"{\n\"other\": 1}":                        `2: unknown field "other"`,
		"":                                        "1: the file ends too early",
		"{\n\"list\": [":                          "2: the file ends too early",
		"{}\n{}":                                  "2: something follows the end of the object",
		"{}\nx":                                   "2: something follows the end of the object",
	} {
		r := strictjson.New([]byte(text))
		var numbers []int
		err := read(r, &numbers)
		if err == nil {
			err = r.End()
		}
		got := fmt.Sprintf("%d: %v", r.Line(), numbers)
		if err != nil {
			got = fmt.Sprintf("%d: %v", r.Line(), err)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
		if _, mismatch := errors.AsType[*strictjson.MismatchError](err); mismatch != strings.Contains(want, "belongs") {
			t.Errorf("%q: a mismatch: %t", text, mismatch)
		}
	}
}
