// Init is the first process of a lab's host or switch: it prepares the namespaces it was started in, says "ready", adopts and reaps
// orphans, and ends when its standard input does, which is when the lab's process is gone. The kernel then ends the rest of the host.
//
//	init NAME [OUTSIDE:INSIDE...]    NAME becomes the host name; the folder OUTSIDE is seen as INSIDE
//	init                             prepares nothing: for a namespace that only holds a network
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP) // only the lab ends it
	orphans := make(chan os.Signal, 1)
	signal.Notify(orphans, syscall.SIGCHLD)
	if len(os.Args) > 1 {
		if err := prepare(os.Args[1], os.Args[2:]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	fmt.Println("ready")
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // whatever ends it
		os.Exit(0)
	}()
	for range orphans {
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != nil || pid <= 0 {
				break
			}
		}
	}
}

func prepare(name string, folders []string) error {
	// From here on no mount of the host is seen outside it.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	if err := mountSys(); err != nil {
		return err
	}
	for _, pair := range folders {
		outside, inside, _ := strings.Cut(pair, ":")
		if err := os.MkdirAll(inside, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount(outside, inside, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", inside, err)
		}
	}
	if err := syscall.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("setting the host name: %w", err)
	}
	return nil
}

// mountSys mounts a /sys that shows the host's own network interfaces, with the machine's control groups in it.
func mountSys() error {
	const groups = "/sys/fs/cgroup"
	tree, err := unix.OpenTree(unix.AT_FDCWD, groups, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return fmt.Errorf("keeping %s: %w", groups, err)
	}
	defer unix.Close(tree)
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return fmt.Errorf("mounting /sys: %w", err)
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, groups, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mounting %s: %w", groups, err)
	}
	return nil
}
