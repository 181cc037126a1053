package main

import (
	"testing"
	"time"
)

func TestRest(t *testing.T) {
	start := time.Now()
	var r rest
	for _, step := range []struct {
		second    int
		allocated uint64
		due       bool
		what      string
	}{
		{1, 20 << 20, false, "it has just allocated much"},
		{2, 20<<20 + 1000, true, "it rests"},
		{3, 20<<20 + 2000, false, "nothing has come since"},
		{4, 60 << 20, false, "it works again"},
		{5, 60 << 20, false, "that is too soon"},
		{8, 60<<20 + 1000, true, "it rests again"},
		{90, 61 << 20, false, "it works a little"},
		{91, 61 << 20, false, "that is not worth it"},
	} {
		if due := r.due(step.allocated, start.Add(time.Duration(step.second)*time.Second)); due != step.due {
			t.Errorf("second %d, when %s: %v", step.second, step.what, due)
		}
	}
}
