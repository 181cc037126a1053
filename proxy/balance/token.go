package balance

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"

	"github.com/fairlead/fairlead/proxy/pool"
)

// Token returns the word by which a cookie names an instance: short, the same in every process, and of one way, so that it tells
// nothing of hosts and addresses. It is no secret: a client that makes one up can only choose among the pool's members.
func Token(id string) string {
	return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, pool.IDHash(id)))
}

// tokenLength is the length of a token in characters.
const tokenLength = 16

// Find returns the member that a token names, if it may serve a client bound to it: active in whichever priority group, so that
// bound clients stay when a higher group comes back, or draining. Otherwise, or if there is none, it returns nil.
func Find(p *pool.Pool, token string) *pool.Member {
	if len(token) != tokenLength {
		return nil
	}
	hash, err := strconv.ParseUint(token, 16, 64)
	if err != nil {
		return nil
	}
	for _, m := range p.Members {
		if m.Hash == hash && (m.State == pool.Active || m.State == pool.Draining) {
			return m
		}
	}
	return nil
}
