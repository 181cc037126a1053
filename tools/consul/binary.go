package consul

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// version is the Consul that build/go.mod builds; its binary is kept under this name.
const version = "1.19.2"

// buildTime bounds a build with nothing cached on a small machine.
const buildTime = 20 * time.Minute

// Binary returns the path of a Consul binary: the one FAIRLEAD_CONSUL names, or one in the user's cache, built if it is not there.
func Binary() (string, error) {
	path, err := existing()
	if err != nil || path != "" {
		return path, err
	}
	return build()
}

// Require returns the path of a binary for a test, or ends the test as the package says.
func Require(t lab.Skipper) string {
	t.Helper()
	needed := slices.Contains(strings.Split(os.Getenv("FAIRLEAD_REQUIRE"), ","), "consul")
	path, err := existing()
	if err == nil && path == "" {
		if !needed {
			t.Skipf("no Consul here: FAIRLEAD_CONSUL can name a binary, and FAIRLEAD_REQUIRE=consul has one built")
		}
		path, err = build()
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	return path
}

func existing() (string, error) {
	if path := os.Getenv("FAIRLEAD_CONSUL"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("FAIRLEAD_CONSUL: %w", err)
		}
		return path, nil
	}
	path, err := cached()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return path, nil
}

func cached() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("where to keep Consul's binary: %w", err)
	}
	return filepath.Join(dir, "fairlead", "consul-"+version), nil
}

// build builds the binary into the cache; of several processes one builds and the others wait.
func build() (string, error) {
	path, err := cached()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("building Consul: %w", err)
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", fmt.Errorf("building Consul: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("building Consul: locking %s: %w", lock.Name(), err)
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), buildTime)
	defer cancel()
	half := path + ".new"
	cmd := exec.CommandContext(ctx, "go", "build", "-o", half, "github.com/hashicorp/consul")
	cmd.Dir = recipe()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building Consul: %w\n%s", err, out)
	}
	if err := os.Rename(half, path); err != nil {
		return "", fmt.Errorf("building Consul: %w", err)
	}
	return path, nil
}

// recipe returns the folder build beside this file.
func recipe() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "build")
}
