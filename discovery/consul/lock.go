package consul

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"
)

// The built-in times of a Lock.
const (
	LockTTL   = 15 * time.Second
	LockDelay = 15 * time.Second
)

// LockOptions are the times of a Lock. Zero values mean the defaults named.
type LockOptions struct {
	// TTL is how long Consul leaves the lock to a holder that says nothing more, at least (15s; Consul allows 10s to 24h).
	TTL time.Duration
	// Renew is the time between two signs of life (TTL/3).
	Renew time.Duration
	// Delay is how long nobody gets a lock that its holder has lost, so that the old holder notices first (15s; at most 60s). It believes in
	// its lock for half the TTL after its last sign of life, so that a shorter delay lets two hold it for moments.
	Delay time.Duration
}

// Lock is held by one process at a time among those that run one for the same key: a key in Consul's store that a session has acquired
// (developer.hashicorp.com/consul/docs/dynamic-app-config/sessions). It chooses who tries something, and fences nothing: what must not
// happen twice needs another guard.
type Lock struct {
	client      *client
	key, holder string
	times       LockOptions
	log         *slog.Logger
	// sure is until when the lock cannot have gone to anybody else; nil while it is not held.
	sure atomic.Pointer[time.Time]
}

// Lock returns the lock of a key in the same Consul. holder is the key's value while the lock is held, for people. Nothing happens
// before its Run.
func (s *Source) Lock(key, holder string, o LockOptions) *Lock {
	o.TTL = cmp.Or(o.TTL, LockTTL)
	o.Renew = cmp.Or(o.Renew, o.TTL/3)
	o.Delay = cmp.Or(o.Delay, LockDelay)
	return &Lock{client: s.client, key: key, holder: holder, times: o, log: s.config.Logger.With("lock", key)}
}

// Held reports whether the lock is held, and surely for half of its TTL to come, by this process's own clock. It answers at once.
func (l *Lock) Held() bool {
	sure := l.sure.Load()
	return sure != nil && time.Until(*sure) >= l.times.TTL/2
}

// Run tries to hold the lock until ctx ends, then lets go of it and returns ctx's error.
func (l *Lock) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := l.try(ctx); err != nil && ctx.Err() == nil {
			l.log.Warn("lock not held", "error", err)
		}
		if err := sleep(ctx, backoff(l.times.Renew/2, l.times.Renew, 1)); err != nil {
			break
		}
	}
	return ctx.Err()
}

// try waits until nobody holds the lock, takes it, and holds it for as long as it can.
func (l *Lock) try(ctx context.Context) error {
	if err := l.await(ctx); err != nil {
		return err
	}
	asked := time.Now()
	limited, cancel := context.WithTimeout(ctx, l.times.TTL/2)
	defer cancel()
	session, _, err := l.client.api.Session().CreateNoChecks(&api.SessionEntry{
		Name: "fairlead " + l.holder, TTL: l.times.TTL.String(), LockDelay: l.times.Delay, Behavior: api.SessionBehaviorRelease,
	}, new(api.WriteOptions).WithContext(limited))
	if err != nil {
		return fmt.Errorf("creating a session: %w", explain(err))
	}
	mine := &api.KVPair{Key: l.key, Value: []byte(l.holder), Session: session}
	defer l.end(mine)
	held, _, err := l.client.api.KV().Acquire(mine, new(api.WriteOptions).WithContext(limited))
	if err != nil {
		return fmt.Errorf("acquiring: %w", explain(err))
	}
	if !held {
		return nil // somebody was faster, or the delay after a lost one is not over
	}
	l.log.Info("lock held")
	return l.hold(ctx, session, asked)
}

// await returns once nobody holds the key.
func (l *Lock) await(ctx context.Context) error {
	var index uint64
	for {
		pair, got, err := l.read(ctx, ask{index: index, wait: time.Minute, consistent: index == 0})
		if err != nil {
			return err
		}
		if pair == nil || pair.Session == "" {
			return nil
		}
		if got.index < index {
			got.index = 0
		}
		index = got.index
	}
}

// hold keeps the session alive while the key is its own.
func (l *Lock) hold(ctx context.Context, session string, asked time.Time) error {
	defer l.sure.Store(nil)
	for {
		sure := asked.Add(l.times.TTL)
		l.sure.Store(&sure)
		if err := sleep(ctx, l.times.Renew); err != nil {
			return err
		}
		asked = time.Now()
		if err := l.renew(ctx, session); err != nil {
			if errors.Is(err, errLost) || time.Now().After(sure) {
				return err
			}
			l.log.Warn("lock not renewed yet", "error", err)
			asked = sure.Add(-l.times.TTL) // no surer than before
		}
	}
}

var errLost = errors.New("the lock is lost")

func (l *Lock) renew(ctx context.Context, session string) error {
	limited, cancel := context.WithTimeout(ctx, l.times.Renew)
	defer cancel()
	entry, _, err := l.client.api.Session().Renew(session, new(api.WriteOptions).WithContext(limited))
	if err != nil {
		return fmt.Errorf("renewing the session: %w", explain(err))
	}
	if entry == nil {
		return fmt.Errorf("%w: its session has ended", errLost)
	}
	pair, _, err := l.read(limited, ask{consistent: true})
	if err != nil {
		return err
	}
	if pair == nil || pair.Session != session {
		return fmt.Errorf("%w: its key was taken away", errLost)
	}
	return nil
}

func (l *Lock) read(ctx context.Context, how ask) (pair *api.KVPair, got answer, err error) {
	got, err = l.client.query(ctx, how, func(o *api.QueryOptions) (meta *api.QueryMeta, err error) {
		pair, meta, err = l.client.api.KV().Get(l.key, o)
		return meta, err
	})
	if err != nil {
		return nil, got, fmt.Errorf("reading %s: %w", l.key, err)
	}
	return pair, got, nil
}

// end lets go of the key, so that another can have it at once, and destroys the session. Where that fails it ends with its TTL.
func (l *Lock) end(mine *api.KVPair) {
	ctx, cancel := context.WithTimeout(context.Background(), l.times.Renew)
	defer cancel()
	options := new(api.WriteOptions).WithContext(ctx)
	_, _, err := l.client.api.KV().Release(mine, options)
	if err == nil {
		_, err = l.client.api.Session().Destroy(mine.Session, options)
	}
	if err != nil {
		l.log.Warn("lock not let go of, it ends by itself", "error", explain(err))
	}
}
