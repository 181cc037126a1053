package docker

import (
	"strconv"
	"strings"
)

const (
	sigKill = 9
	sigTerm = 15
	// rtMin and rtMax bound the real-time signals as the engine counts them.
	rtMin, rtMax = 34, 64
)

// signals are Linux's numbers by name (signal(7), x86 and ARM): the engine's, whatever system we run on.
var signals = map[string]int{
	"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "IOT": 6, "BUS": 7, "FPE": 8, "KILL": sigKill, "USR1": 10, "SEGV": 11,
	"USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": sigTerm, "STKFLT": 16, "CHLD": 17, "CLD": 17, "CONT": 18, "STOP": 19, "TSTP": 20,
	"TTIN": 21, "TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26, "PROF": 27, "WINCH": 28, "IO": 29, "POLL": 29, "PWR": 30,
	"SYS": 31, "UNUSED": 31, "RTMIN": rtMin, "RTMAX": rtMax,
}

// signalNumber reads a stop signal as images and containers name it: a number, a name with or without SIG, RTMIN+n or RTMAX-n. An
// empty or unknown one is SIGTERM, the engine's own default.
func signalNumber(text string) int {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return n
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if n, ok := signals[name]; ok {
		return n
	}
	if rest, ok := strings.CutPrefix(name, "RTMIN+"); ok {
		if n, err := strconv.Atoi(rest); err == nil && n >= 0 && n <= rtMax-rtMin {
			return rtMin + n
		}
	}
	if rest, ok := strings.CutPrefix(name, "RTMAX-"); ok {
		if n, err := strconv.Atoi(rest); err == nil && n >= 0 && n <= rtMax-rtMin {
			return rtMax - n
		}
	}
	return sigTerm
}
