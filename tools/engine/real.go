package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/fairlead/fairlead/tools/lab"
)

// Real is the Docker engine of this machine.
type Real struct {
	*client.Client
	// Suffix is this test's own: everything it makes carries it.
	Suffix string
}

// NewReal returns the engine that DOCKER_HOST names, or the usual one. Without one the test is skipped, or fails where FAIRLEAD_REQUIRE
// names docker.
func NewReal(tb lab.Skipper) *Real {
	tb.Helper()
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		lab.Missing(tb, "docker", err.Error())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := c.Info(ctx); err != nil {
		c.Close()
		lab.Missing(tb, "docker", "no engine answers: "+err.Error())
	}
	tb.Cleanup(func() { c.Close() })
	return &Real{Client: c, Suffix: strings.ToLower(rand.Text()[:8])}
}

// Clean removes every container with this label, running or not, when the test ends. What was cleaned first goes last, so that an
// image outlives its containers if it was made before.
func (r *Real) Clean(tb lab.TB, label string) {
	tb.Helper()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		found, err := r.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", label))})
		if err != nil {
			tb.Logf("containers with label %s may be left: %v", label, err)
		}
		for _, c := range found {
			if err := r.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil && !errdefs.IsNotFound(err) {
				tb.Logf("container %s may be left: %v", c.ID, err)
			}
		}
	})
}

// Image makes an image that runs the probe with the words of command ("serve", "8080"), and removes it when the test ends.
func (r *Real) Image(tb lab.TB, command ...string) string {
	tb.Helper()
	program := filepath.Join(tb.TempDir(), "probe")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, "github.com/fairlead/fairlead/tools/engine/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("building the probe: %v\n%s", err, out)
	}
	name := "fairlead-test-" + r.Suffix + "-" + strings.ToLower(rand.Text()[:6]) + ":1"
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	source := image.ImportSource{Source: archive(tb, program), SourceName: "-"}
	changes := []string{`ENTRYPOINT ["/probe"]`, `CMD ["` + strings.Join(command, `","`) + `"]`}
	progress, err := r.ImageImport(ctx, source, name, image.ImportOptions{Changes: changes})
	if err != nil {
		tb.Fatalf("importing the probe's image: %v", err)
	}
	defer progress.Close()
	if _, err := io.Copy(io.Discard, progress); err != nil {
		tb.Fatalf("importing the probe's image: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := r.ImageRemove(ctx, name, image.RemoveOptions{Force: true}); err != nil {
			tb.Logf("image %s may be left: %v", name, err)
		}
	})
	return name
}

// archive is the file system of an image with one program, /probe.
func archive(tb lab.TB, program string) io.Reader {
	content, err := os.ReadFile(program)
	if err != nil {
		tb.Fatalf("reading the probe: %v", err)
	}
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	if err := w.WriteHeader(&tar.Header{Name: "probe", Mode: 0o755, Size: int64(len(content))}); err != nil {
		tb.Fatalf("packing the probe: %v", err)
	}
	if _, err := w.Write(content); err != nil {
		tb.Fatalf("packing the probe: %v", err)
	}
	if err := w.Close(); err != nil {
		tb.Fatalf("packing the probe: %v", err)
	}
	return &packed
}

// Alone keeps other test binaries from the engine's Swarm mode until the test ends; they wait. The engine is in no swarm then.
func (r *Real) Alone(tb lab.Skipper) {
	tb.Helper()
	TakeTurn(tb)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	info, err := r.Info(ctx)
	if err != nil {
		tb.Fatalf("asking whether the engine is in a swarm: %v", err)
	}
	if info.Swarm.LocalNodeState != swarm.LocalNodeStateInactive {
		lab.Missing(tb, "docker", "the engine is in a swarm already, which may be somebody's: leave it first")
	}
}

// Swarm makes the engine a swarm of one node until the test ends. One test binary at a time has it: the others wait.
func (r *Real) Swarm(tb lab.Skipper) {
	tb.Helper()
	r.Alone(tb)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := r.NetworkInspect(ctx, gateway, network.InspectOptions{})
	hadGateway := err == nil
	if _, err := r.SwarmInit(ctx, swarm.InitRequest{ListenAddr: "127.0.0.1:2377", AdvertiseAddr: "127.0.0.1"}); err != nil {
		tb.Fatalf("making the engine a swarm: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.SwarmLeave(ctx, true); err != nil {
			tb.Logf("the engine may still be in a swarm: %v", err)
		}
		if hadGateway {
			return
		}
		if err := r.NetworkRemove(ctx, gateway); err != nil && !errdefs.IsNotFound(err) {
			tb.Logf("network %s may be left: %v", gateway, err)
		}
	})
}

// gateway is the network that an engine makes for its first swarm and keeps.
const gateway = "docker_gwbridge"
