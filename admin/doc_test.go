package admin

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// update writes the answers of today into the page: go test ./admin -update.
var update = flag.Bool("update", false, "write the answers into docs/admin-api.md")

const page = "../docs/admin-api.md"

// exchange is one example of the page: a request, and the answer it gets.
var exchange = regexp.MustCompile("(?s)```http\n(.*?)```")

// TestPageShowsWhatIsAnswered sends every request of the page to an edge of its own and compares the whole answer, so that the page
// and the API cannot part.
func TestPageShowsWhatIsAnswered(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	fresh := exchange.ReplaceAllStringFunc(string(text), func(example string) string {
		content := exchange.FindStringSubmatch(example)[1]
		request, _, found := strings.Cut(content, "\nHTTP/1.1 ")
		if !found {
			t.Fatalf("an example has no answer:\n%s", content)
		}
		head, body, _ := strings.Cut(request, "\n")
		method, target, ok := strings.Cut(strings.TrimSuffix(head, " HTTP/1.1"), " ")
		if !ok {
			t.Fatalf("an example begins with no request: %s", head)
		}
		asked[method+" "+strings.Split(target, "?")[0]] = true
		w := askWith(newFakeHealing(t), newFakeEdge(), method, target, strings.TrimSpace(body))
		return fmt.Sprintf("```http\n%s\nHTTP/1.1 %d %s\nContent-Type: %s\nX-Fairlead-Version: %s\n\n%s```", request, w.Code, http.StatusText(w.Code),
			w.Header().Get("Content-Type"), w.Header().Get("X-Fairlead-Version"), w.Body)
	})
	if *update {
		if err := os.WriteFile(page, []byte(fresh), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if fresh != string(text) && !*update {
		t.Errorf("%s shows other answers than the API gives; see the difference after go test ./admin -update", page)
	}
	for _, needed := range []string{
		"GET /fairlead/snapshot", "GET /fairlead/pools", "GET /fairlead/pools/test.shop.example.com", "GET /fairlead/sources",
		"POST /fairlead/sources/accept", "GET /fairlead/explain", "GET /fairlead/ready", "GET /fairlead/overrides",
		"PUT /fairlead/overrides/live/web1/shop-1", "DELETE /fairlead/overrides/live/web2/shop-2",
		"GET /fairlead/healer", "GET /fairlead/healer/check", "POST /fairlead/healer/check", "GET /fairlead/healer/plan", "GET /fairlead/healer/audit",
		"GET /fairlead/healer/pauses", "PUT /fairlead/healer/pauses", "DELETE /fairlead/healer/pauses", "POST /fairlead/healer/forgive",
		"GET /fairlead/healer/drains", "PUT /fairlead/healer/drains", "DELETE /fairlead/healer/drains",
		"GET /fairlead/registrations",
	} {
		if !asked[needed] {
			t.Errorf("%s has no example of %s", page, needed)
		}
	}
}
