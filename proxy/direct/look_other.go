//go:build !unix

package direct

// Silent cannot look at a socket here, and takes every one for open and silent.
func Silent(uintptr) bool { return true }

// HungUp cannot look at a socket here, and takes every one for open.
func HungUp(uintptr) bool { return false }
