package hosts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// prefix begins the names of a lab's folder and control groups, which its suffix ends.
const prefix = "fairlead-lab-"

// makeFolder makes the lab's folder and locks it, having removed those of labs whose process was killed.
func (l *Lab) makeFolder() error {
	sweep()
	l.Dir = filepath.Join(os.TempDir(), prefix+l.suffix)
	if err := os.Mkdir(l.Dir, 0o755); err != nil {
		return err
	}
	lock, err := os.Create(filepath.Join(l.Dir, "new"))
	if err != nil {
		return err
	}
	l.lock = lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("locking %s: %w", l.Dir, err)
	}
	return os.Rename(lock.Name(), filepath.Join(l.Dir, "lock")) // only now may it be thought abandoned
}

// sweep removes the folders and control groups of labs whose process is gone. The kernel has removed the rest.
func sweep() {
	locks, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*", "lock")) // the pattern is well formed
	for _, path := range locks {
		lock, err := os.Open(path)
		if err != nil {
			continue // another has swept it
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			dir := filepath.Dir(path)
			_ = removeGroups("/" + filepath.Base(dir)) // what stays is tried again by the next lab
			_ = os.RemoveAll(dir)
		}
		lock.Close()
	}
}

// close takes everything away, of a lab half built as well.
func (l *Lab) close() {
	var group sync.WaitGroup
	for _, h := range l.Hosts {
		group.Go(func() {
			if err := h.PowerOff(); err != nil {
				l.log("parts of host %s may be left: %v", h.Name, err)
			}
		})
	}
	group.Wait()
	if l.net != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := l.net.close(ctx); err != nil {
			l.log("interface %s may be left: %v", l.net.uplink, err)
		}
	}
	if err := removeGroups(l.group()); err != nil {
		l.log("control groups %s may be left: %v", l.group(), err)
	}
	if err := os.RemoveAll(l.Dir); err != nil {
		l.log("folder %s may be left: %v", l.Dir, err)
	}
	if l.lock != nil {
		l.lock.Close()
	}
}

// group is the control group that its hosts' are in.
func (l *Lab) group() string { return "/" + prefix + l.suffix }

// removeGroups removes a control group and those in it from every hierarchy, of either version. The kernel may hold one for a moment
// after its last process.
func removeGroups(group string) error {
	var err error
	for range 100 {
		if err = tryRemoveGroups(group); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

func tryRemoveGroups(group string) error {
	var failed error
	for _, dir := range groupFolders(group) {
		var within []string
		walk := func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				within = append(within, path)
			}
			return nil // what is gone meanwhile need not be removed
		}
		_ = filepath.WalkDir(dir, walk) // walk returns no error
		for _, path := range slices.Backward(within) {
			if err := syscall.Rmdir(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				failed = fmt.Errorf("removing control group %s: %w", path, err)
			}
		}
	}
	return failed
}

// groupFolders returns the folders that a control group has, in any hierarchy.
func groupFolders(group string) []string {
	second, _ := filepath.Glob("/sys/fs/cgroup" + group) // the patterns are well formed
	first, _ := filepath.Glob("/sys/fs/cgroup/*" + group)
	return append(second, first...)
}

// logProcesses shows the ends of the logs, for a test that failed.
func (l *Lab) logProcesses() {
	for _, h := range l.Hosts {
		if h.dockerd != nil {
			l.log("%s, dockerd:\n%s", h.Name, h.dockerd.Log())
		}
		if h.consul != nil {
			l.log("%s, consul:\n%s", h.Name, h.consul.Log())
		}
	}
}
