// Package exchange shows what became of a request, alike whichever door has served it.
package exchange

import (
	"go.uber.org/zap/zapcore"

	"github.com/fairlead/fairlead/proxy/forward"
)

// Exchange is what became of a request, as logs and placeholders show it.
type Exchange struct {
	Outcome forward.Outcome
	// Code is the word of a refusal, empty for none.
	Code string
}

// Placeholder is for a caddy.Replacer.
func (e *Exchange) Placeholder(key string) (any, bool) {
	switch key {
	case "http.fairlead.cluster":
		return e.cluster(), true
	case "http.fairlead.pool":
		return e.pool(), true
	case "http.fairlead.member":
		return e.member(), true
	case "http.fairlead.attempts":
		return e.Outcome.Attempts, true
	case "http.fairlead.code":
		return e.word(), true
	}
	return nil, false
}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (e *Exchange) MarshalLogObject(to zapcore.ObjectEncoder) error {
	to.AddString("code", e.word())
	if e.Outcome.Pool != nil {
		to.AddString("cluster", e.cluster())
		to.AddString("pool", e.pool())
		to.AddString("member", e.member())
		to.AddInt("attempts", e.Outcome.Attempts)
		to.AddDuration("latency", e.Outcome.Latency)
	}
	if e.Outcome.Queued > 0 {
		to.AddDuration("queued", e.Outcome.Queued)
	}
	if e.Outcome.Problem != "" {
		to.AddString("problem", e.Outcome.Problem)
	}
	return nil
}

func (e *Exchange) word() string {
	if e.Code == "" {
		return "ok"
	}
	return e.Code
}

func (e *Exchange) cluster() string {
	if e.Outcome.Pool == nil {
		return ""
	}
	return e.Outcome.Pool.Cluster
}

func (e *Exchange) pool() string {
	if e.Outcome.Pool == nil {
		return ""
	}
	return e.Outcome.Pool.Name
}

func (e *Exchange) member() string {
	if e.Outcome.Member == nil {
		return ""
	}
	return e.Outcome.Member.ID()
}
