package pool

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Values returns every setting of the spec, written as Set reads it. The caller owns the map.
func (s *Spec) Values() Settings {
	return Settings{
		"policy":           s.Policy,
		"hash_on":          s.HashOn,
		"hash_balance":     strconv.Itoa(s.HashBalance),
		"min_active":       strconv.Itoa(s.MinActive),
		"priority_tags":    priorities(s.Priorities),
		"warning":          choice(s.ServeWarning, "serve", "down"),
		"slow_start":       seconds(s.SlowStart),
		"max_conns":        strconv.Itoa(s.MaxConns),
		"member_max_conns": strconv.Itoa(s.MemberMaxConns),
		"queue":            strconv.Itoa(s.Queue),
		"queue_timeout":    seconds(s.QueueTimeout),
		"sticky":           choice(s.Sticky != "", s.Sticky, "off"),
		"retries":          strconv.Itoa(s.Retries),
		"retry_buffer":     strconv.Itoa(s.RetryBuffer),
		"retry_budget":     strconv.Itoa(s.RetryBudget),
		"connect_timeout":  seconds(s.ConnectTimeout),
		"response_timeout": seconds(s.ResponseTimeout),
		"stall_timeout":    seconds(s.StallTimeout),
		"tunnel_timeout":   seconds(s.TunnelTimeout),
		"keepalive":        seconds(s.Keepalive),
		"protocol":         s.Protocol,
		"eject_failures":   strconv.Itoa(s.EjectFailures),
		"eject_window":     seconds(s.EjectWindow),
		"eject_for":        seconds(s.EjectFor),
		"check":            s.Check,
		"check_interval":   seconds(s.CheckInterval),
		"check_timeout":    seconds(s.CheckTimeout),
		"check_rise":       strconv.Itoa(s.CheckRise),
		"check_fall":       strconv.Itoa(s.CheckFall),
		"check_status":     fmt.Sprintf("%d-%d", s.CheckStatusMin, s.CheckStatusMax),
	}
}

func choice(yes bool, one, other string) string {
	if yes {
		return one
	}
	return other
}

// seconds writes a duration as people do: 1h, not 1h0m0s.
func seconds(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// priorities writes the tags with the highest priority first.
func priorities(by map[string]int) string {
	tags := slices.SortedFunc(maps.Keys(by), func(a, b string) int {
		if by[a] != by[b] {
			return by[b] - by[a]
		}
		return strings.Compare(a, b)
	})
	for i, tag := range tags {
		tags[i] = fmt.Sprintf("%s=%d", tag, by[tag])
	}
	return strings.Join(tags, ",")
}
