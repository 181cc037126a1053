package app

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func TestAdminConfigIsFoundInAContext(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	if admin, err := adminConfig(ctx); err != nil || admin.IsValid() {
		t.Errorf("of no configuration: %v, %v", admin, err)
	}
	admin := reflect.TypeFor[caddy.AdminConfig]()
	for name, kind := range map[string]reflect.Kind{"Listen": reflect.String, "Disabled": reflect.Bool, "Remote": reflect.Pointer} {
		if f, ok := admin.FieldByName(name); !ok || f.Type.Kind() != kind {
			t.Errorf("Caddy's AdminConfig has no %s of kind %s", name, kind)
		}
	}
	if f, ok := reflect.TypeFor[caddy.RemoteAdmin]().FieldByName("Listen"); !ok || f.Type.Kind() != reflect.String {
		t.Error("Caddy's RemoteAdmin has no Listen")
	}
}

func TestListening(t *testing.T) {
	for listen, want := range map[string]string{
		"localhost:2019":        "[127.0.0.1:2019 [::1]:2019]",
		":2020":                 "[[::]:2020]",
		"tcp/192.0.2.1:80-81":   "[192.0.2.1:80 192.0.2.1:81]",
		"[2001:db8::1]:443":     "[[2001:db8::1]:443]",
		"unix//run/caddy.sock":  "[]",
		"admin.example.com:443": "[]",
	} {
		if got, err := listening(listen); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v; want %s", listen, got, err, want)
		}
	}
	for _, listen := range []string{"localhost:admin", "localhost:1-2-3"} {
		if got, err := listening(listen); err == nil {
			t.Errorf("%s: %v", listen, got)
		}
	}
}

func init() { caddy.RegisterModule(probe{}) }

// probe is an app that asks for the admin addresses of the configuration it is part of.
type probe struct{}

// probed is what it found.
var probed string

func (probe) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "fairlead_probe", New: func() caddy.Module { return new(probe) }}
}

func (probe) Provision(ctx caddy.Context) error {
	list, err := adminAddresses(ctx)
	probed = fmt.Sprint(list)
	return err
}

func (probe) Start() error { return nil }
func (probe) Stop() error  { return nil }

func TestAdminAddresses(t *testing.T) {
	defer func(usual string) { caddy.DefaultAdminListen = usual }(caddy.DefaultAdminListen)
	caddy.DefaultAdminListen = "localhost:2019"
	t.Setenv("FAIRLEAD_TEST_ADMIN", "127.0.0.1:3001")
	usual := "127.0.0.1:2019 [::1]:2019"
	for admin, want := range map[string]string{
		``:                                       usual,
		`{"disabled":true}`:                      usual,
		`{"disabled":true,"listen":":3000"}`:     usual,
		`{"listen":":3000"}`:                     usual + " [::]:3000",
		`{"listen":"{env.FAIRLEAD_TEST_ADMIN}"}`: usual + " 127.0.0.1:3001",
		`{"listen":"unix//run/a","remote":{"listen":"192.0.2.1:2021"}}`: usual + " 192.0.2.1:2021",
		`{"listen":"127.0.0.1:3002","remote":{}}`:                       usual + " 127.0.0.1:3002 [::]:2021",
	} {
		config := &caddy.Config{AppsRaw: caddy.ModuleMap{"fairlead_probe": json.RawMessage("{}")}}
		if admin != "" {
			if err := json.Unmarshal([]byte(admin), &config.Admin); err != nil {
				t.Fatal(err)
			}
		}
		if err := caddy.Validate(config); err != nil || probed != "["+want+"]" {
			t.Errorf("%s: %s, %v; want %s", admin, probed, err, want)
		}
	}
}
