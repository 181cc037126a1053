package command

import (
	"bytes"
	"context"
	"text/template"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// loadTemplate loads a Caddyfile made from a template, and has the process listen to signals.
func loadTemplate(name, text string, data any) error {
	config, err := render(name, text, data)
	if err != nil {
		return err
	}
	caddy.TrapSignals()
	return loadCaddyfile(name, config)
}

// render fills in a template that is part of this program.
func render(name, text string, data any) ([]byte, error) {
	var out bytes.Buffer
	err := template.Must(template.New(name).Parse(text)).Execute(&out, data)
	return out.Bytes(), err
}

// loadCaddyfile loads a configuration; filename is what errors call it.
func loadCaddyfile(filename string, text []byte) error {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": filename})
	if err != nil {
		return err
	}
	return caddy.Load(config, true)
}

// serve ends with ctx, or with the process by one of Caddy's ways to be stopped.
func serve(ctx context.Context) error {
	<-ctx.Done()
	return caddy.Stop()
}
