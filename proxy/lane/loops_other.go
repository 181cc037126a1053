//go:build !linux || !(amd64 || arm64)

package lane

import (
	"context"
	"errors"
	"net"
)

type (
	loop  struct{}
	guest struct{}
)

var errNoEpoll = errors.New("this machine has no epoll")

// NewLoops fails: the portable engine serves here.
func NewLoops(int) (*Loops, error) { return nil, errNoEpoll }

func (ls *Loops) listen(int, *Listener) (func(), error) { return nil, errNoEpoll }

func (ls *Loops) adopt(net.Conn, *Listener) bool { return false }

func (ls *Loops) run(context.Context) error { return errNoEpoll }

func dup(int) (int, error) { return -1, errNoEpoll }
