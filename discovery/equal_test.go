package discovery

import (
	"reflect"
	"testing"
)

// Every field of an instance counts: one that is added and forgotten in Equal would let its changes go unseen.
func TestEqualMindsEveryField(t *testing.T) {
	fields := reflect.TypeFor[Instance]()
	for n := range fields.NumField() {
		a, b := Instance{}, Instance{}
		v := reflect.ValueOf(&b).Elem().Field(n)
		switch v.Kind() {
		case reflect.String:
			v.SetString("x")
		case reflect.Uint8, reflect.Uint16, reflect.Uint64:
			v.SetUint(1)
		case reflect.Slice:
			v.Set(reflect.ValueOf([]string{"x"}))
		case reflect.Map:
			v.Set(reflect.ValueOf(map[string]string{"x": "y"}))
		case reflect.Struct:
			v.Field(0).SetInt(1)
		default:
			t.Fatalf("field %s: the test does not know how to change a %s", fields.Field(n).Name, v.Kind())
		}
		if a.Equal(&b) || !b.Equal(&b) {
			t.Errorf("field %s does not count", fields.Field(n).Name)
		}
	}
	a, b := Instance{Tags: []string{}, Meta: map[string]string{}}, Instance{}
	if !a.Equal(&b) {
		t.Error("empty tags are not none")
	}
}
