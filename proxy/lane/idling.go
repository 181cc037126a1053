package lane

import "sync"

// idling is the wait for a request on a connection whose reads block, which another goroutine may end.
type idling struct {
	client *blocking

	mu             sync.Mutex
	waits, stopped bool
}

// begin says that a request is waited for. Who drains the connection says so before it calls stop, so it is to be looked at after this.
func (i *idling) begin() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.waits = true
}

// end says that the wait is over. Where it was stopped just when something had come, that can be read on.
func (i *idling) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.waits = false
	if i.stopped {
		i.stopped = false
		i.client.resumeReads()
	}
}

// stop ends the wait, if there is one.
func (i *idling) stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.waits {
		i.stopped = true
		i.client.stopReads()
	}
}
