package healer

// Lock says whether this healer is the one that acts. It chooses who tries and fences nothing: the engine does.
type Lock interface {
	// Held reports whether the lock is held, and will be for long enough to begin something: by this process's monotonic clock, at
	// least half of its lifetime is left. It answers at once from what is known.
	Held() bool
}

// Alone is the lock of a healer that has no rival, such as on a single host without Consul.
type Alone struct{}

// Held is always true.
func (Alone) Held() bool { return true }
