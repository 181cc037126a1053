package docker

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/fairlead/fairlead/tools/engine"
)

// An engine that cannot be reached is an error that says what to do; what an engine answers is left as it is.
func TestAdvice(t *testing.T) {
	list := func(e Engine) string {
		c, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		err = e.Ask(t.Context(), "listing containers", 0, func(ctx context.Context) error {
			_, err := c.ContainerList(ctx, container.ListOptions{})
			return err
		})
		if err == nil {
			t.Fatal("no error")
		}
		return err.Error()
	}
	socket := filepath.Join(t.TempDir(), "none.sock")
	if got := list(Engine{Host: "unix://" + socket}); !strings.Contains(got, socket) || !strings.Contains(got, "name the engine's socket") {
		t.Errorf("no engine there: %s", got)
	}
	script := engine.NewScript(t, "1.44")
	script.JSON("GET /containers/json", http.StatusInternalServerError, `{"message":"permission denied"}`)
	if got := list(Engine{Host: script.Host}); !strings.HasSuffix(got, "permission denied") {
		t.Errorf("an engine that refuses: %s", got)
	}
}
