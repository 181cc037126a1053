package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// built is a package of this module that is built once per process.
type built struct {
	pkg string

	mu   sync.Mutex
	path string
	err  error
}

var (
	fairlead = &built{pkg: "github.com/fairlead/fairlead/cmd/fairlead"}
	stock    = &built{pkg: "github.com/fairlead/fairlead/tools/caddy"}
)

// Binary builds the fairlead program once per process and returns its path. FAIRLEAD_BINARY names a ready one instead.
func Binary(tb TB) string {
	tb.Helper()
	if path := os.Getenv("FAIRLEAD_BINARY"); path != "" {
		return path
	}
	return fairlead.build(tb)
}

// StockBinary builds stock Caddy, which has its standard modules only, once per process and returns its path.
func StockBinary(tb TB) string {
	tb.Helper()
	return stock.build(tb)
}

// RemoveBinary deletes what was built; for TestMain and the end of programs.
func RemoveBinary() {
	fairlead.remove()
	stock.remove()
}

func (b *built) build(tb TB) string {
	tb.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.path == "" && b.err == nil {
		b.path, b.err = compile(b.pkg)
	}
	if b.err != nil {
		tb.Fatalf("%v", b.err)
	}
	return b.path
}

func compile(pkg string) (string, error) {
	dir, err := os.MkdirTemp("", "fairlead-binary")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, filepath.Base(pkg))
	if out, err := exec.Command("go", "build", "-o", path, pkg).CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}

func (b *built) remove() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.path != "" {
		os.RemoveAll(filepath.Dir(b.path))
		b.path = ""
	}
}
