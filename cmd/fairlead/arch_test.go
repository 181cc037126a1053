package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The law of imports. The folders form one line and import only to the left; inside proxy the packages form layers and import
// only lower ones; each library for the outside world has its own door. The check reads the source files themselves: a tool
// that is asked for the imports can answer from a cache, and then a break goes unseen.

const module = "github.com/fairlead/fairlead"

// root is the module's folder as seen from this package's.
const root = "../.."

// line is the order of the folders: each may import itself and those before it.
var line = []string{"discovery", "proxy", "healer", "admin", "plugins", "cmd"}

// layers of proxy: a package imports lower layers only, so that packages of one layer, the doors above all, never know each other.
var layers = map[string]int{
	"proxy/pool":       0,
	"proxy/http1":      0,
	"proxy/direct":     0,
	"proxy/balance":    1,
	"proxy/health":     1,
	"proxy/egress":     1,
	"proxy/route":      2,
	"proxy/dispatch":   3,
	"proxy/message":    3,
	"proxy/lane":       4,
	"proxy/forward":    4,
	"proxy/stream":     4,
	"proxy/nameserver": 4,
	"proxy":            5,
}

// doors name the only folders, with all below them, that may import a library of the outside world.
var doors = []struct {
	library string
	folders []string
}{
	{"github.com/hashicorp/consul", []string{"discovery/consul", "discovery/registrar"}},
	{"github.com/docker", []string{"discovery/docker", "healer/docker", "healer/swarm"}},
	{"github.com/moby", []string{"discovery/docker", "healer/docker", "healer/swarm"}},
	{"github.com/containerd/errdefs", []string{"discovery/docker", "healer/docker", "healer/swarm"}}, // the Docker client's errors
	{"github.com/distribution/reference", []string{"healer/swarm"}},                                  // and its reading of image names
	{"github.com/miekg/dns", []string{"proxy/nameserver"}},
	{"github.com/prometheus", []string{"admin/metrics", "plugins"}},
	{"github.com/caddyserver", []string{"plugins", "cmd"}},
	{"go.uber.org/zap", []string{"plugins", "cmd"}},
}

// pure packages import the standard library and x/sync only, beside this module's own.
var pure = []string{"discovery", "proxy/pool", "proxy/balance", "proxy/route", "healer"}

// leaves import nothing of this module.
var leaves = []string{"discovery/state", "discovery/strictjson", "proxy/http1", "proxy/direct"}

// below names the one package beneath itself that the root package of a folder may import: its adapters import it instead.
var below = map[string]string{"discovery": "discovery/state", "healer": ""}

// refusal says why a file of the package in folder from may not import target, or nothing. Tests may use any library of the outside
// world, as they fake or probe it.
func refusal(from string, test bool, target string) string {
	if within(from, "tools") {
		return ""
	}
	own, inside := strings.CutPrefix(target, module+"/")
	switch {
	case inside && test && within(own, "tools"):
		return ""
	case inside:
		return insideRefusal(from, own)
	case !strings.Contains(strings.Split(target, "/")[0], "."), within(target, "golang.org/x/sync"):
		return ""
	case test:
		return ""
	}
	return outsideRefusal(from, target)
}

func insideRefusal(from, target string) string {
	here, there := slices.Index(line, top(from)), slices.Index(line, top(target))
	switch {
	case there < 0:
		return target + " is no folder of the line " + strings.Join(line, " ← ")
	case here < 0:
		return from + " is no folder of the line " + strings.Join(line, " ← ")
	case from == target: // a test package beside the code
		return ""
	case slices.Contains(leaves, from):
		return from + " imports nothing of this module"
	case there > here:
		return "imports go to the left only: " + strings.Join(line, " ← ")
	case here == there && top(from) == "proxy":
		return layerRefusal(from, target)
	}
	if allowed, ok := below[from]; ok && here == there && target != allowed {
		return from + " does not know its adapters: they import it"
	}
	return ""
}

func layerRefusal(from, target string) string {
	upper, known := layers[from]
	if !known {
		return from + " has no layer in proxy"
	}
	lower, known := layers[target]
	if !known {
		return target + " has no layer in proxy"
	}
	if lower >= upper {
		return from + " is not above " + target
	}
	return ""
}

func outsideRefusal(from, target string) string {
	if slices.Contains(pure, from) {
		return from + " needs the standard library and x/sync only"
	}
	for _, d := range doors {
		if !within(target, d.library) {
			continue
		}
		for _, folder := range d.folders {
			if within(from, folder) {
				return ""
			}
		}
		return d.library + " belongs to " + strings.Join(d.folders, ", ")
	}
	if within(from, "plugins") || within(from, "cmd") || within(target, "golang.org/x") {
		return ""
	}
	return target + " has no door"
}

func within(folder, parent string) bool {
	return folder == parent || strings.HasPrefix(folder, parent+"/")
}

func top(folder string) string { return strings.Split(folder, "/")[0] }

func TestLawRefuses(t *testing.T) {
	for _, c := range []struct {
		from, target string
		test         bool
		refused      bool
	}{
		{from: "proxy", target: module + "/discovery"},
		{from: "discovery", target: module + "/proxy/pool", refused: true},
		{from: "discovery", target: module + "/proxy/pool", test: true, refused: true},
		{from: "discovery/static", target: module + "/healer", refused: true},
		{from: "healer", target: module + "/admin", refused: true},
		{from: "admin", target: module + "/plugins/app", refused: true},
		{from: "plugins/app", target: module + "/cmd/fairlead", refused: true},
		{from: "cmd/fairlead", target: module + "/plugins/app"},
		{from: "extra", target: module + "/discovery", refused: true},
		{from: "admin", target: module + "/extra", refused: true},

		{from: "discovery", target: module + "/discovery/state"},
		{from: "discovery", target: module + "/discovery/consul", refused: true},
		{from: "discovery/state", target: module + "/discovery", refused: true},
		{from: "healer", target: module + "/healer/docker", refused: true},
		{from: "healer/docker", target: module + "/healer"},

		{from: "proxy/route", target: module + "/proxy/balance"},
		{from: "proxy/pool", target: module + "/proxy/balance", refused: true},
		{from: "proxy/balance", target: module + "/proxy/route", refused: true},
		{from: "proxy/balance", target: module + "/proxy/health", refused: true},
		{from: "proxy/route", target: module + "/proxy/forward", refused: true},
		{from: "proxy/route", target: module + "/proxy/dispatch", refused: true},
		{from: "proxy/dispatch", target: module + "/proxy/route"},
		{from: "proxy/dispatch", target: module + "/proxy/message", refused: true},
		{from: "proxy/dispatch", target: module + "/proxy/forward", refused: true},
		{from: "proxy/forward", target: module + "/proxy/dispatch"},
		{from: "proxy/lane", target: module + "/proxy/message"},
		{from: "proxy/forward", target: module + "/proxy/nameserver", refused: true},
		{from: "proxy/lane", target: module + "/proxy/forward", refused: true},
		{from: "proxy/lane", target: module + "/proxy/http1"},
		{from: "proxy/http1", target: module + "/proxy/pool", refused: true},
		{from: "proxy/http1", target: module + "/discovery", refused: true},
		{from: "proxy/forward", target: module + "/proxy", refused: true},
		{from: "proxy", target: module + "/proxy/forward"},
		{from: "proxy/extra", target: module + "/proxy/pool", refused: true},
		{from: "proxy", target: module + "/proxy/extra", refused: true},

		{from: "discovery/consul", target: "github.com/hashicorp/consul/api"},
		{from: "discovery", target: "github.com/hashicorp/consul/api", refused: true},
		{from: "proxy", target: "github.com/hashicorp/consul/api", refused: true},
		{from: "plugins/app", target: "github.com/hashicorp/consul/api", refused: true},
		{from: "healer/swarm", target: "github.com/docker/docker/client"},
		{from: "healer", target: "github.com/docker/docker/client", refused: true},
		{from: "discovery/registrar", target: "github.com/docker/docker/client", refused: true},
		{from: "proxy/nameserver", target: "github.com/miekg/dns"},
		{from: "proxy/route", target: "github.com/miekg/dns", refused: true},
		{from: "plugins/dns", target: "github.com/miekg/dns", refused: true},
		{from: "admin/metrics", target: "github.com/prometheus/client_golang/prometheus"},
		{from: "admin", target: "github.com/prometheus/client_golang/prometheus", refused: true},
		{from: "plugins/app", target: "github.com/caddyserver/caddy/v2"},
		{from: "proxy/forward", target: "github.com/caddyserver/caddy/v2", refused: true},
		{from: "admin", target: "go.uber.org/zap", refused: true},
		{from: "proxy/forward", target: "example.com/anything", refused: true},
		{from: "plugins/app", target: "example.com/anything"},

		{from: "proxy/pool", target: "golang.org/x/sync/errgroup"},
		{from: "proxy/pool", target: "golang.org/x/net/idna", refused: true},
		{from: "proxy/forward", target: "golang.org/x/net/http/httpguts"},
		{from: "proxy/pool", target: "net/netip"},
		{from: "proxy/forward", target: "github.com/miekg/dns", test: true},

		{from: "cmd/fairlead", target: module + "/tools/lab", refused: true},
		{from: "cmd/fairlead", target: module + "/tools/lab", test: true},
		{from: "tools/bench/dns", target: module + "/cmd/fairlead"},
		{from: "tools/bench/dns", target: "github.com/miekg/dns"},
	} {
		if why := refusal(c.from, c.test, c.target); (why != "") != c.refused {
			t.Errorf("%s imports %s (test %t): refused %q, want a refusal: %t", c.from, c.target, c.test, why, c.refused)
		}
	}
}

func TestLawOfImports(t *testing.T) {
	seen := 0
	for _, f := range sources(t) {
		for _, spec := range f.syntax.Imports {
			target, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			seen++
			if why := refusal(f.folder, f.test, target); why != "" {
				t.Errorf("%s imports %s: %s", f.name, target, why)
			}
		}
	}
	if seen < 50 {
		t.Errorf("saw %d imports only: the check does not look at the module", seen)
	}
}

// TestPackageComments keeps one doc comment, in one place, for every package that is not made of tests alone.
func TestPackageComments(t *testing.T) {
	comments := map[string]int{}
	for _, f := range sources(t) {
		switch {
		case f.test:
		case f.syntax.Doc != nil:
			comments[f.folder]++
		default:
			comments[f.folder] += 0 // a package without any is in the map too
		}
	}
	for folder, files := range comments {
		if files != 1 {
			t.Errorf("package %s has its doc comment in %d files, want one", folder, files)
		}
	}
}

// TestFileLength splits a file before it becomes a room too full to be read at a sitting.
func TestFileLength(t *testing.T) {
	for _, f := range sources(t) {
		if f.lines > 600 {
			t.Errorf("%s has %d lines, the most is 600", f.name, f.lines)
		}
	}
}

// source is one Go file of the module.
type source struct {
	name, folder string // from the module's root, with slashes
	test         bool
	lines        int
	syntax       *ast.File
}

// sources parses the imports and package comments of all Go files of the module, those of other modules in it left out.
func sources(t *testing.T) []source {
	t.Helper()
	var found []source
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if file != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || isModule(file)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		code, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), file, code, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		found = append(found, source{
			name: relative, folder: path.Dir(relative), test: strings.HasSuffix(name, "_test.go"),
			lines: bytes.Count(code, []byte("\n")), syntax: syntax,
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func isModule(folder string) bool {
	found, err := filepath.Glob(filepath.Join(folder, "go.mod"))
	return err == nil && len(found) > 0
}
