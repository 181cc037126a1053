package hosts

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/docker/docker/client"
)

// Web is the image of the web service, the same on every host. It serves on port 8080.
const Web = "fairlead-web:1"

// WebPort is the port of the web service inside its container.
const WebPort = 8080

// load gives the engine the image Web.
func (h *Host) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, engineTime)
	defer cancel()
	answer, err := h.engine.ImageLoad(ctx, bytes.NewReader(h.lab.image), client.ImageLoadWithQuiet(true))
	if err != nil {
		return fmt.Errorf("loading the image %s: %w", Web, err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || bytes.Contains(text, []byte(`"error"`)) {
		return fmt.Errorf("loading the image %s: %w: %s", Web, err, text)
	}
	return nil
}

// pack makes an image of one program, in the form that docker load takes.
func pack(program string) ([]byte, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	layer, err := archive(file{"web", content})
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"created":      time.Unix(0, 0).UTC(),
		"config":       map[string]any{"Entrypoint": []string{"/web"}, "ExposedPorts": map[string]any{fmt.Sprintf("%d/tcp", WebPort): struct{}{}}},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}},
	})
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{Web}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return nil, err
	}
	return archive(file{"layer.tar", layer}, file{"config.json", config}, file{"manifest.json", manifest})
}

type file struct {
	name    string
	content []byte
}

func archive(files ...file) ([]byte, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.content))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}
