package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"

	"github.com/fairlead/fairlead/tools/lab"
)

// realEngine is the engine of this machine, with an image to start and a name that nobody else uses.
type realEngine struct {
	*client.Client
	t      *testing.T
	suffix string
	image  string
}

// tidy is the time in which a test's leavings are removed.
func tidy() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}

// startReal skips the test where no engine answers.
func startReal(t *testing.T) *realEngine {
	t.Helper()
	c, err := client.NewClientWithOpts(client.WithHost(DefaultHost), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := c.Ping(ctx); err != nil {
		lab.Missing(t, "docker", "no engine answers: "+err.Error())
	}
	e := &realEngine{Client: c, t: t, suffix: strings.ToLower(rand.Text()[:10])}
	e.build()
	return e
}

// build imports an image with the test server as its only file.
func (e *realEngine) build() {
	e.t.Helper()
	binary := filepath.Join(e.t.TempDir(), "server")
	build := exec.Command("go", "build", "-o", binary, "./testdata/server")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		e.t.Fatalf("building the test server: %v\n%s", err, out)
	}
	text, err := os.ReadFile(binary)
	if err != nil {
		e.t.Fatal(err)
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "server", Mode: 0o755, Size: int64(len(text))}); err != nil {
		e.t.Fatal(err)
	}
	w.Write(text)
	w.Close()
	e.image = "fairlead-test-" + e.suffix + ":1"
	e.t.Cleanup(func() {
		ctx, cancel := tidy()
		defer cancel()
		if _, err := e.ImageRemove(ctx, e.image, image.RemoveOptions{Force: true}); err != nil {
			e.t.Errorf("removing the image: %v", err)
		}
	})
	out, err := e.ImageImport(e.t.Context(), image.ImportSource{Source: &layer, SourceName: "-"}, e.image, image.ImportOptions{
		Changes: []string{`ENTRYPOINT ["/server"]`, "EXPOSE 80"},
	})
	if err != nil {
		e.t.Fatalf("importing the image: %v", err)
	}
	defer out.Close()
	if answer, err := io.ReadAll(out); err != nil || strings.Contains(string(answer), "error") {
		e.t.Fatalf("importing the image: %v %s", err, answer)
	}
}

// create makes a container of a name, which is removed at the end of the test, and returns its ID.
func (e *realEngine) create(name string, change func(*api.Config, *api.HostConfig, *network.NetworkingConfig)) string {
	e.t.Helper()
	c := &api.Config{Image: e.image, Env: []string{"SERVICE_NAME=" + e.service()}, Labels: map[string]string{"fairlead-test": e.suffix}}
	h := &api.HostConfig{PortBindings: nat.PortMap{"80/tcp": {{HostIP: "127.0.0.1"}}}}
	n := &network.NetworkingConfig{}
	if change != nil {
		change(c, h, n)
	}
	made, err := e.ContainerCreate(e.t.Context(), c, h, n, nil, "fairlead-test-"+e.suffix+"-"+name)
	if err != nil {
		e.t.Fatalf("creating container %s: %v", name, err)
	}
	e.t.Cleanup(func() {
		ctx, cancel := tidy()
		defer cancel()
		if err := e.ContainerRemove(ctx, made.ID, api.RemoveOptions{Force: true}); err != nil {
			e.t.Errorf("removing container %s: %v", name, err)
		}
	})
	return made.ID
}

// start starts a container and returns when that was asked for and when the engine said it had done it.
func (e *realEngine) start(id string) (asked, done time.Time) {
	e.t.Helper()
	asked = time.Now()
	if err := e.ContainerStart(e.t.Context(), id, api.StartOptions{}); err != nil {
		e.t.Fatalf("starting a container: %v", err)
	}
	return asked, time.Now()
}

// service is the name of the service that belongs to this test alone.
func (e *realEngine) service() string { return "shop-" + e.suffix + ".example.com" }

// observe follows the engine with default times.
func (e *realEngine) observe(change func(*Config)) *observer {
	e.t.Helper()
	c := Config{Cluster: "live", Advertise: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, AllowLoopback: true, Explicit: true}
	if change != nil {
		change(&c)
	}
	o := observe(e.t, c, nil)
	o.ready(e.t)
	o.until(e.t, "the stream of events", func(o *observer) bool { return o.status.Watches == 1 })
	return o
}
