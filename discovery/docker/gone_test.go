package docker

import (
	"net/http"
	"strings"
	"testing"

	realengine "github.com/fairlead/fairlead/tools/engine"
)

// A container that the engine does not know any more is no failure to be asked about again: it is gone.
func TestAContainerThatIsGone(t *testing.T) {
	for _, version := range []string{"1.41", "1.44", "1.52"} {
		script := realengine.NewScript(t, version)
		id := strings.Repeat("0", 64)
		script.JSON("GET /containers/"+id+"/json", http.StatusNotFound, `{"message":"No such container: `+id+`"}`)
		e, err := newEngine(Config{Host: script.Host}.withDefaults())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.close)
		if c, err := e.container(t.Context(), id); c != nil || err != nil {
			t.Errorf("API %s: %+v, %v", version, c, err)
		}
		script.JSON("GET /containers/"+id+"/json", http.StatusInternalServerError, `{"message":"no disk"}`)
		if _, err := e.container(t.Context(), id); err == nil {
			t.Errorf("API %s: an engine that fails knows that the container is gone", version)
		}
	}
}
