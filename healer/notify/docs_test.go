package notify

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTemplatesOfThePage loads and fills each template that the page shows.
func TestTemplatesOfThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```gotemplate\n(.*?)\n```").FindAllStringSubmatch(string(page), -1)
	want := []string{
		`{"text": "critical shop.example.com: 2 of 3 \"present\"\n\u003cü\u003e"}`,
		`"endsAt": "2026-01-02T08:05:00Z"`,
		`{"api_key": "s3cret", "to": ["+431234567"], "text": "2 of 3 \"present\"\n\u003cü\u003e"}`,
		`to=%2B431234567&text=2+of+3+%22present%22%0A%3C%C3%BC%3E`,
	}
	if len(found) != len(want) {
		t.Fatalf("%d templates, want %d", len(found), len(want))
	}
	for i, block := range found {
		contentType := "application/json"
		if strings.HasPrefix(block[1], "to=") {
			contentType = "application/x-www-form-urlencoded"
		}
		s, err := newShape(block[1], contentType, "s3cret")
		if err != nil {
			t.Errorf("%v in\n%s", err, block[1])
			continue
		}
		if body, err := s.body(message, "s3cret"); err != nil || !strings.Contains(string(body), want[i]) {
			t.Errorf("it makes %s (%v), want %s", body, err, want[i])
		}
	}
	last := message
	last.Notice, last.Kind = over(message.Notice), Over
	s, err := newShape(found[0][1], "application/json", "")
	if err != nil {
		t.Fatal(err)
	}
	if body, err := s.body(last, ""); err != nil || !strings.HasPrefix(string(body), `{"text": "Over: shop`) {
		t.Errorf("the end is %s (%v)", body, err)
	}
}

// TestPageNamesEveryEvent compares the page's table with the events that templates are tried with.
func TestPageNamesEveryEvent(t *testing.T) {
	page, err := os.ReadFile("../../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range samples() {
		if !strings.Contains(string(page), "| `"+string(m.Event)+"` |") {
			t.Errorf("the page does not explain %s", m.Event)
		}
	}
}
