package discovery

import "sync"

// subscribers are the channels to be triggered when facts change. Their capacity is one: a trigger that has not been taken yet
// stands for all that follow, and its taker reads the state there is then.
type subscribers struct {
	mu  sync.Mutex
	all map[chan struct{}]struct{}
}

func (s *subscribers) add() (changed <-chan struct{}, cancel func()) {
	ch := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[chan struct{}]struct{}{}
	}
	s.all[ch] = struct{}{}
	return ch, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, ch)
	}
}

func (s *subscribers) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch := range s.all {
		trigger(ch)
	}
}

// trigger marks a channel of capacity one without waiting.
func trigger(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
