package http1_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// wireCase is one block of testdata/requests.txt.
type wireCase struct {
	name   string
	status int
	bytes  string
}

func corpus(t testing.TB) (cases []wireCase) {
	t.Helper()
	text, err := os.ReadFile("testdata/requests.txt")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		if strings.HasPrefix(lines[0], "#") {
			continue
		}
		c := wireCase{name: lines[0]}
		if c.status, err = strconv.Atoi(lines[1]); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for _, quoted := range lines[2:] {
			part, err := strconv.Unquote(quoted)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			c.bytes += part
		}
		cases = append(cases, c)
	}
	return cases
}
