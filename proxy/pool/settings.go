package pool

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setters parse one value each into a Spec. The keys are the words of the Caddyfile and, after "fairlead_", of Consul's Meta.
var setters = map[string]func(s *Spec, value string) error{
	"policy":           word(func(s *Spec) *string { return &s.Policy }, "round_robin", "least_conn", "random", "peak_ewma", "hash"),
	"hash_on":          setHashOn,
	"hash_balance":     number(func(s *Spec) *int { return &s.HashBalance }, 101, 1000),
	"min_active":       number(func(s *Spec) *int { return &s.MinActive }, 1, 10000),
	"priority_tags":    setPriorities,
	"warning":          setWarning,
	"slow_start":       duration(func(s *Spec) *time.Duration { return &s.SlowStart }, 0, time.Hour),
	"max_conns":        number(func(s *Spec) *int { return &s.MaxConns }, 0, 1<<30),
	"member_max_conns": number(func(s *Spec) *int { return &s.MemberMaxConns }, 0, 1<<30),
	"queue":            number(func(s *Spec) *int { return &s.Queue }, 0, 1<<20),
	"queue_timeout":    duration(func(s *Spec) *time.Duration { return &s.QueueTimeout }, time.Millisecond, time.Hour),
	"sticky":           setSticky,
	"retries":          number(func(s *Spec) *int { return &s.Retries }, 0, 10),
	"retry_buffer":     number(func(s *Spec) *int { return &s.RetryBuffer }, 0, 16<<20),
	"retry_budget":     number(func(s *Spec) *int { return &s.RetryBudget }, 0, 100),
	"connect_timeout":  duration(func(s *Spec) *time.Duration { return &s.ConnectTimeout }, time.Millisecond, time.Hour),
	"response_timeout": duration(func(s *Spec) *time.Duration { return &s.ResponseTimeout }, time.Millisecond, 24*time.Hour),
	"stall_timeout":    duration(func(s *Spec) *time.Duration { return &s.StallTimeout }, time.Millisecond, 24*time.Hour),
	"tunnel_timeout":   duration(func(s *Spec) *time.Duration { return &s.TunnelTimeout }, time.Millisecond, 30*24*time.Hour),
	"keepalive":        duration(func(s *Spec) *time.Duration { return &s.Keepalive }, 0, time.Hour),
	"protocol":         word(func(s *Spec) *string { return &s.Protocol }, "auto", "http1", "h2c"),
	"eject_failures":   number(func(s *Spec) *int { return &s.EjectFailures }, 0, 10000),
	"eject_window":     duration(func(s *Spec) *time.Duration { return &s.EjectWindow }, time.Millisecond, time.Hour),
	"eject_for":        duration(func(s *Spec) *time.Duration { return &s.EjectFor }, time.Millisecond, time.Hour),
	"check":            setCheck,
	"check_interval":   duration(func(s *Spec) *time.Duration { return &s.CheckInterval }, time.Millisecond, time.Hour),
	"check_timeout":    duration(func(s *Spec) *time.Duration { return &s.CheckTimeout }, time.Millisecond, time.Hour),
	"check_rise":       number(func(s *Spec) *int { return &s.CheckRise }, 1, 1000),
	"check_fall":       number(func(s *Spec) *int { return &s.CheckFall }, 1, 1000),
	"check_status":     setCheckStatus,
}

// SettingKeys returns the keys Set knows, sorted.
func SettingKeys() []string { return slices.Sorted(maps.Keys(setters)) }

// Set parses one setting. The error names the key and what is allowed; s is unchanged then.
func (s *Spec) Set(key, value string) error {
	set, ok := setters[key]
	if !ok {
		return fmt.Errorf("unknown setting %q", key)
	}
	if err := set(s, strings.TrimSpace(value)); err != nil {
		return fmt.Errorf("%s %q: %w", key, value, err)
	}
	return nil
}

func word(field func(*Spec) *string, allowed ...string) func(*Spec, string) error {
	return func(s *Spec, value string) error {
		if !slices.Contains(allowed, value) {
			return fmt.Errorf("want one of %s", strings.Join(allowed, ", "))
		}
		*field(s) = value
		return nil
	}
}

func number(field func(*Spec) *int, lowest, highest int) func(*Spec, string) error {
	return func(s *Spec, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < lowest || n > highest {
			return fmt.Errorf("want a whole number from %d to %d", lowest, highest)
		}
		*field(s) = n
		return nil
	}
}

func duration(field func(*Spec) *time.Duration, lowest, highest time.Duration) func(*Spec, string) error {
	return func(s *Spec, value string) error {
		d, err := time.ParseDuration(value)
		if err != nil || d < lowest || d > highest {
			return fmt.Errorf("want a duration from %s to %s, such as 1500ms or 10s", lowest, highest)
		}
		*field(s) = d
		return nil
	}
}

func setHashOn(s *Spec, value string) error {
	kind, name, named := strings.Cut(value, " ")
	switch kind {
	case "client_ip", "host", "path":
		if !named {
			s.HashOn = value
			return nil
		}
	case "header", "cookie":
		if isToken(name) {
			s.HashOn = value
			return nil
		}
	}
	return fmt.Errorf("want client_ip, host, path, header NAME or cookie NAME")
}

func setPriorities(s *Spec, value string) error {
	priorities := map[string]int{}
	for field := range strings.SplitSeq(value, ",") {
		tag, number, ok := strings.Cut(strings.TrimSpace(field), "=")
		n, err := strconv.Atoi(number)
		if !ok || tag == "" || err != nil || n < 0 || n > 1000 {
			return fmt.Errorf("want tag=priority pairs such as master=10,slave=9, priorities from 0 to 1000")
		}
		priorities[tag] = n
	}
	s.Priorities = priorities
	return nil
}

func setWarning(s *Spec, value string) error {
	if value != "serve" && value != "down" {
		return fmt.Errorf("want serve or down")
	}
	s.ServeWarning = value == "serve"
	return nil
}

func setSticky(s *Spec, value string) error {
	if value == "off" {
		s.Sticky = ""
		return nil
	}
	if !isToken(value) {
		return fmt.Errorf("want off or the name of a cookie")
	}
	s.Sticky = value
	return nil
}

func setCheck(s *Spec, value string) error {
	if value != "off" && value != "tcp" && (!strings.HasPrefix(value, "/") || strings.ContainsAny(value, " \t\r\n#")) {
		return fmt.Errorf("want off, tcp or the path of an HTTP check")
	}
	s.Check = value
	return nil
}

func setCheckStatus(s *Spec, value string) error {
	from, to, ranged := strings.Cut(value, "-")
	lowest, err := strconv.Atoi(from)
	highest := lowest
	if err == nil && ranged {
		highest, err = strconv.Atoi(to)
	}
	if err != nil || lowest < 100 || highest > 599 || lowest > highest {
		return fmt.Errorf("want a status such as 200 or a range such as 200-399")
	}
	s.CheckStatusMin, s.CheckStatusMax = lowest, highest
	return nil
}

// isToken reports whether s is a token of RFC 9110 §5.6.2, as header and cookie names are.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
