package hosts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/docker/docker/client"
)

// StartDocker starts the host's engine and returns when it answers.
func (h *Host) StartDocker(ctx context.Context) error {
	if err := h.configureDocker(); err != nil {
		return err
	}
	var err error
	if h.engine == nil {
		h.engine, err = client.NewClientWithOpts(client.WithHost("unix://"+h.Socket()), client.WithAPIVersionNegotiation())
		if err != nil {
			return fmt.Errorf("a client for docker: %w", err)
		}
	}
	dockerd := exec.Command("dockerd")
	dockerd.Env = append(os.Environ(), "TMPDIR=/run") // the host's own: a slow containerd is told to write its stacks there
	if h.dockerd, err = h.Launch("dockerd", dockerd); err != nil {
		return err
	}
	return h.waitDocker(ctx)
}

// configureDocker writes /etc/docker/daemon.json.
func (h *Host) configureDocker() error {
	text, err := json.Marshal(map[string]any{
		"storage-driver": "vfs", // works on every file system and leaves no mounts; images here are small
		"exec-opts":      []string{"native.cgroupdriver=cgroupfs"},
		"cgroup-parent":  h.group(),
		"live-restore":   h.lab.options.LiveRestore,
		"log-level":      "warn",
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(h.Dir, "etc", "daemon.json"), text, 0o600)
}

func (h *Host) waitDocker(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, engineTime)
	defer cancel()
	for {
		_, err := h.engine.Ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-h.dockerd.Exited():
			return fmt.Errorf("dockerd on %s ended: %w\n%s", h.Name, h.dockerd.Wait(0), h.dockerd.Log())
		case <-ctx.Done():
			return fmt.Errorf("dockerd on %s does not answer: %w\n%s", h.Name, errors.Join(err, ctx.Err()), h.dockerd.Log())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// StopDocker ends the engine as an operator does. Its containers end as well, unless it has LiveRestore.
func (h *Host) StopDocker() error { return h.dockerd.Stop(engineTime) }

// RestartDocker ends the engine and starts it again.
func (h *Host) RestartDocker(ctx context.Context) error {
	if err := h.StopDocker(); err != nil {
		return err
	}
	return h.StartDocker(ctx)
}

// PauseDocker makes the engine a black hole: its socket accepts and nothing answers. Its containers run on.
func (h *Host) PauseDocker() error { return h.dockerd.Pause() }

// ResumeDocker ends a PauseDocker.
func (h *Host) ResumeDocker() error { return h.dockerd.Resume() }
