package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"github.com/fairlead/fairlead/tools/lab"
)

// embedded are the configurations of the peers, a folder each, and that of the members behind them.
//
//go:embed peers members
var embedded embed.FS

// known are the peers that have a folder, by the names that flags call them: FOLDER or FOLDER-VARIANT.
var known = []string{"nginx", "haproxy", "haproxy-splice", "caddy", "traefik", "envoy", "fairlead-loop", "fairlead-portable", "fairlead-off"}

// peer is a proxy to be measured. Its folder has a template of each file of its configuration, and one named command: the line
// that starts it and, if there is a second, the line that prints its version.
type peer struct {
	name    string
	folder  fs.FS
	program string // the path of what the command's first word names
	variant string // what the templates know as .Variant
	engine  string // of Fairlead's lane, empty for what has none
}

// knownPeer returns the peer of that name, with the program that is built, given or found on the PATH.
func knownPeer(tb lab.TB, name string, given map[string]string) (*peer, error) {
	folder, variant, _ := strings.Cut(name, "-")
	files, err := fs.Sub(embedded, "peers/"+folder)
	if err == nil {
		_, err = fs.Stat(files, "command")
	}
	if err != nil {
		return nil, err
	}
	p := &peer{name: name, folder: files, variant: variant, program: given[folder]}
	switch {
	case p.program != "":
	case folder == "fairlead":
		p.program = lab.Binary(tb)
	case folder == "caddy":
		p.program = lab.StockBinary(tb)
	default:
		p.program, err = exec.LookPath(folder)
	}
	if err == nil && folder == "fairlead" {
		err = p.settleLane(tb)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// settleLane makes sure that the program has the option lane; one that has not is as if it were off.
func (p *peer) settleLane(tb lab.TB) error {
	file := filepath.Join(tb.TempDir(), "Caddyfile")
	text := fmt.Sprintf("{\n\tfairlead {\n\t\tlane %s\n\t\tcluster live {\n\t\t\tfile /dev/null\n\t\t}\n\t}\n}\n", p.variant)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	out, err := exec.Command(p.program, "adapt", "--adapter", "caddyfile", "--config", file).CombinedOutput()
	switch {
	case err == nil:
		p.engine = p.variant
		return nil
	case !strings.Contains(string(out), "lane"):
		return fmt.Errorf("asking %s for the option lane: %w\n%s", p.program, err, out)
	case p.variant == "off":
		p.variant = ""
		return nil
	}
	return fmt.Errorf("%s has no option lane %s", p.program, p.variant)
}

// ownPeer returns a peer whose configuration is in a folder of the user's.
func ownPeer(folder, program string) (*peer, error) {
	p := &peer{name: filepath.Base(folder), folder: os.DirFS(folder), program: program}
	_, err := fs.Stat(p.folder, "command")
	return p, err
}

// write renders the configuration into s.Dir and returns the lines of its command, as words.
func (p *peer) write(s settings) (commands [][]string, err error) {
	s.Variant = p.variant
	files, err := fs.ReadDir(p.folder, ".")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		text, err := fs.ReadFile(p.folder, f.Name())
		if err != nil {
			return nil, err
		}
		t, err := template.New(f.Name()).Option("missingkey=error").Parse(string(text))
		if err != nil {
			return nil, err
		}
		var out strings.Builder
		if err := t.Execute(&out, s); err != nil {
			return nil, err
		}
		if f.Name() != "command" {
			if err := os.WriteFile(filepath.Join(s.Dir, f.Name()), []byte(out.String()), 0o600); err != nil {
				return nil, err
			}
			continue
		}
		for line := range strings.Lines(out.String()) {
			words := strings.Fields(line)
			words[0] = p.program
			commands = append(commands, words)
		}
	}
	return commands, nil
}

var versions = regexp.MustCompile(`\d+\.\d+\.\d+`)

// title is the peer's name with its version, if it tells one.
func (p *peer) title(ctx context.Context, s settings) string {
	commands, err := p.write(s)
	if err != nil || len(commands) < 2 {
		return p.name
	}
	out, err := exec.CommandContext(ctx, commands[1][0], commands[1][1:]...).CombinedOutput()
	if version := versions.Find(out); err == nil && version != nil {
		return p.name + " " + string(version)
	}
	return p.name
}
