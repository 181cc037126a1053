package notify

import "time"

// Status is what is known of one receiver. It has no secret in it.
type Status struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Queued are the messages that wait, Bytes their size, and Oldest when the first of them was queued. Open are the matters that last.
	Queued int       `json:"queued"`
	Bytes  int       `json:"bytes"`
	Oldest time.Time `json:"oldest,omitzero"`
	Open   int       `json:"open"`
	// Delivered are messages, Failed attempts, and Dropped messages that nobody will get, all since the process started.
	Delivered     uint64    `json:"delivered"`
	Failed        uint64    `json:"failed"`
	Dropped       uint64    `json:"dropped"`
	LastDelivered time.Time `json:"last_delivered,omitzero"`
	LastError     string    `json:"last_error,omitempty"`
	LastErrorAt   time.Time `json:"last_error_at,omitzero"`
	// Storage says why the queue is not on the disk; empty if it is.
	Storage string `json:"storage,omitempty"`
}

// Status returns the receivers' status, in the order of the configuration.
func (n *Notifier) Status() []Status {
	all := make([]Status, len(n.receivers))
	for i, r := range n.receivers {
		all[i] = r.status()
	}
	return all
}

func (r *receiver) status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &r.tally
	s := Status{
		Name: r.name, Kind: r.kind, Queued: len(r.book.Queue) + len(r.early), Bytes: r.book.bytes(), Open: len(r.book.Matters),
		Delivered: t.delivered, Failed: t.failed, Dropped: r.book.dropped, LastDelivered: t.lastDelivered,
		LastError: t.lastError, LastErrorAt: t.lastErrorAt, Storage: t.storage,
	}
	if len(r.book.Queue) > 0 {
		s.Oldest = r.book.Queue[0].At
	}
	return s
}
