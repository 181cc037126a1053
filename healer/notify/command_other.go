//go:build !unix

package notify

import "os/exec"

// killGroup leaves it at the command itself: this system has no process groups.
func killGroup(*exec.Cmd) {}
