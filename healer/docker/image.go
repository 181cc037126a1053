package docker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/fairlead/fairlead/healer"
)

// have makes sure that the engine has the image, and pulls it if not.
func (r *Runtime) have(ctx context.Context, c *client.Client, name string) error {
	err := r.engine.Ask(ctx, "inspecting image "+name, 0, func(ctx context.Context) error {
		_, err := c.ImageInspect(ctx, name)
		return err
	})
	if !errdefs.IsNotFound(err) {
		return err
	}
	auth := ""
	if r.config.RegistryAuth != nil {
		if auth, err = r.config.RegistryAuth(name); err != nil {
			return fmt.Errorf("credentials for image %s: %w", name, err)
		}
	}
	err = r.engine.Ask(ctx, "pulling image "+name, r.config.PullTimeout, func(ctx context.Context) error {
		progress, err := c.ImagePull(ctx, name, image.PullOptions{RegistryAuth: auth})
		if err != nil {
			return err
		}
		defer progress.Close()
		return pulled(progress)
	})
	if err == nil || errors.Is(err, ErrNoAnswer) || ctx.Err() != nil || client.IsErrConnectionFailed(err) {
		return err
	}
	return fmt.Errorf("%w: image %s is not on the engine and cannot be pulled: %w", healer.ErrUnknownService, name, err)
}

// pulled reads the progress of a pull to its end, which is also when the image is there. An error comes as a line of its own.
func pulled(progress io.Reader) error {
	lines := json.NewDecoder(progress)
	for {
		var line struct {
			Error  string `json:"error"` // left out by newer engines
			Detail struct {
				Message string `json:"message"`
			} `json:"errorDetail"`
		}
		switch err := lines.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case line.Detail.Message != "" || line.Error != "":
			return errors.New(cmp.Or(line.Detail.Message, line.Error))
		}
	}
}
