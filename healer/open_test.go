package healer

import (
	"reflect"
	"testing"
)

func TestOpen(t *testing.T) {
	noted := func(keys ...string) map[string]matter {
		all := map[string]matter{}
		for _, key := range keys {
			all[key] = matter{Notice: Notice{Key: key}}
		}
		return all
	}
	book := &Book{matters: matters{Open: noted("b", "c")}}
	common := Result{Memory: &Memory{matters: noted("a")}}
	changed := common
	changed.Matters = &matters{Open: noted("d")}
	for _, test := range []struct {
		name   string
		in     Input
		result Result
		want   opened
	}{
		{"journal not readable", Input{Leading: true}, common, opened{}},
		{"leading", Input{Leading: true, Book: book}, common, opened{[]Notice{{Key: "a"}, {Key: "b"}, {Key: "c"}}, true, true}},
		{"leading, with changes", Input{Leading: true, Book: book}, changed, opened{[]Notice{{Key: "a"}, {Key: "d"}}, true, true}},
		{"another leads", Input{Book: book}, common, opened{[]Notice{{Key: "a"}}, false, true}},
		{"another leads, nothing of our own", Input{Book: book}, Result{Memory: &Memory{}}, opened{known: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.result.Memory.matters == nil {
				test.result.Memory = (*Memory)(nil).next()
			}
			s := Supervisor{opened: open(&test.in, &test.result)}
			notices, all, known := s.Open()
			if got := (opened{notices, all, known}); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if _, mixed := common.Memory.matters["b"]; mixed {
				t.Error("the healer's memory was changed")
			}
		})
	}
}
