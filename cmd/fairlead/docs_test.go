package main

import (
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/fairlead/fairlead/plugins/app"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/proxy/route"
)

// page reads a page of the documentation.
func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestConfigurationPageDescribesEverySetting compares the page's tables with the code, keys and built-in values both.
func TestConfigurationPageDescribesEverySetting(t *testing.T) {
	described := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| `([^`]*)` \\|").FindAllStringSubmatch(page(t, "docs/configuration.md"), -1) {
		described[row[1]] = row[2]
	}
	builtIn := pool.DefaultSpec().Values()
	for _, key := range pool.SettingKeys() {
		if value, ok := described[key]; !ok || value != builtIn[key] {
			t.Errorf("docs/configuration.md gives %q for %s (described: %t), the built-in value is %q", value, key, ok, builtIn[key])
		}
		delete(described, key)
	}
	for key := range described {
		t.Errorf("docs/configuration.md describes %s, which is no setting", key)
	}
}

// TestConfigurationPageDescribesEveryOption looks for each JSON key of the app's configuration, its tables of registering, healing, logs
// and notices among it, whatever file they are in.
func TestConfigurationPageDescribesEveryOption(t *testing.T) {
	text := page(t, "docs/configuration.md")
	keys := map[string]bool{}
	gather(reflect.TypeFor[app.Config](), keys, map[reflect.Type]bool{})
	for _, key := range []string{"clusters", "client_ca_file", "stop_wait", "restarts", "pass_env", "insecure_skip_verify"} {
		if !keys[key] {
			t.Errorf("the key %s was not found in the configuration's types", key)
		}
	}
	for key := range keys {
		if !strings.Contains(text, "`"+key+"`") && !strings.Contains(text, "`"+key+" ") {
			t.Errorf("docs/configuration.md does not describe %s", key)
		}
	}
}

// gather collects the JSON keys of a type and of all that it is made of within its package.
func gather(of reflect.Type, keys map[string]bool, seen map[reflect.Type]bool) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		gather(of.Elem(), keys, seen)
	case reflect.Struct:
		if seen[of] {
			return
		}
		seen[of] = true
		for n := range of.NumField() {
			field := of.Field(n)
			if key, _, _ := strings.Cut(field.Tag.Get("json"), ","); key != "" {
				keys[key] = true
			}
			gather(field.Type, keys, seen)
		}
	}
}

// TestOperatingPageNamesEveryRefusal looks for the words by which refusals are shown and counted.
func TestOperatingPageNamesEveryRefusal(t *testing.T) {
	text := page(t, "docs/operating.md")
	words := regexp.MustCompile(`Cause += "([a-z_]+)"`).FindAllStringSubmatch(page(t, "proxy/dispatch/refusal.go"), -1)
	var refusals []string
	for _, word := range words {
		if word[1] != "undecided" {
			refusals = append(refusals, word[1])
		}
	}
	for code := route.BadHost; code.String() != "unknown"; code++ {
		refusals = append(refusals, code.String())
	}
	if len(refusals) < 15 {
		t.Errorf("found %d words only", len(refusals))
	}
	for _, word := range refusals {
		if !strings.Contains(text, "`"+word+"`") {
			t.Errorf("docs/operating.md does not explain %s", word)
		}
	}
}

// TestCaddyfilesOfPagesAreConfigurations adapts every Caddyfile that the pages show, and the example's.
func TestCaddyfilesOfPagesAreConfigurations(t *testing.T) {
	adapter := caddyconfig.GetAdapter("caddyfile")
	if adapter == nil {
		t.Fatal("the program reads no Caddyfile")
	}
	shown := map[string][]string{"Caddyfile.example": {page(t, "Caddyfile.example")}}
	for _, name := range pages(t) {
		for _, block := range regexp.MustCompile("(?s)```caddyfile\n(.*?)```").FindAllStringSubmatch(page(t, name), -1) {
			shown[name] = append(shown[name], block[1])
		}
	}
	if len(shown) < 3 {
		t.Errorf("found Caddyfiles in %d pages only", len(shown))
	}
	for name, texts := range shown {
		for _, text := range texts {
			if _, _, err := adapter.Adapt([]byte(text), map[string]any{"filename": name}); err != nil {
				t.Errorf("%s: %v in\n%s", name, err, text)
			}
		}
	}
}

// pages returns the names of the README and of all pages in docs.
func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	names := []string{"README.md"}
	for _, file := range found {
		names = append(names, "docs/"+filepath.Base(file))
	}
	return names
}

// TestLinksOfPagesLeadSomewhere follows the relative links of the README and docs, to files and to headings.
func TestLinksOfPagesLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, name := range pages(t) {
		for _, found := range link.FindAllStringSubmatch(page(t, name), -1) {
			target, heading, _ := strings.Cut(found[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			to := name
			if target != "" {
				to = path.Join(path.Dir(name), target)
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(to))); err != nil {
				t.Errorf("%s links to %s: %v", name, found[1], err)
			} else if heading != "" && !hasHeading(page(t, to), heading) {
				t.Errorf("%s links to %s, which has no such heading", name, found[1])
			}
		}
	}
}

// hasHeading reports whether a page has a heading with that anchor.
func hasHeading(text, anchor string) bool {
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		plain := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		if strings.ReplaceAll(plain, " ", "-") == anchor {
			return true
		}
	}
	return false
}
