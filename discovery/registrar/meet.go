package registrar

import (
	"context"
	"errors"
	"time"
)

// meet makes sure that the agent is this host's and that nobody else does our work. It does so each time: an agent may be replaced by one
// with other data, and then another node ID, between two comparisons. Now and then it looks which token we have.
func (r *Registrar) meet(ctx context.Context) error {
	if r.config.hasToken() && time.Since(r.marked) >= r.config.Resync/2 {
		mark := r.agent.tokenMark(ctx)
		r.mu.Lock()
		r.identity.token, r.marked = mark, time.Now()
		r.mu.Unlock()
	}
	who, known, err := r.agent.self(ctx)
	if err != nil {
		return err
	}
	if err := r.config.isLocal(ctx, who, known); err != nil {
		return err
	}
	node, key := r.config.Node, who.Config.NodeID
	if node == "" {
		node = who.Config.NodeID
	}
	if node == "" {
		return errors.New(`the token may not ask the agent for its node: give it agent_prefix "" read (docs/acl.md), or name the node in the configuration`)
	}
	if key == "" {
		key = r.config.Address
	}
	if err := r.claim(r.config.Owner + "\n" + node + "\n" + key); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.identity.node != node {
		r.identity.owner, r.identity.node, r.earlier = r.config.Owner, node, nil
	}
	r.identity.names = nil
	if !r.config.AllowRemote {
		r.identity.names = []string{who.Config.NodeName, who.Config.NodeID}
	}
	r.status.NodeID, r.status.Agent.Node = node, who.Config.NodeName
	return nil
}

// claim takes the lock for an owner, node and agent, and gives up that of another agent.
func (r *Registrar) claim(key string) error {
	if key == r.lockKey {
		return nil
	}
	unlock, err := lock(key)
	if err != nil {
		return err
	}
	r.release()
	r.lockKey, r.unlock = key, unlock
	return nil
}

// end gives the lock up for good: nothing is written any more.
func (r *Registrar) end() {
	r.mu.Lock()
	r.running = false
	r.mu.Unlock()
	<-r.acting
	r.release()
	r.acting <- struct{}{}
}

func (r *Registrar) release() {
	if r.unlock != nil {
		r.unlock()
	}
	r.lockKey, r.unlock = "", nil
}
