package nameserver

import (
	"net"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/tools/lab"
)

// What a client of another hand makes of the answers.
func TestDig(t *testing.T) {
	lab.Require(t, "dig")
	address, _ := start(t, Options{}, "127.0.0.1", nil)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		want []string // patterns
		not  string
	}{
		{"shop.example.com A", []string{`status: NOERROR`, `flags: qr aa rd;`, `udp: 1232`, `ANSWER: 3,`, `shop.example.com.\s+3\s+IN\s+A\s+10.0.0.2`}, "WARNING: Message|malformed|Got bad packet"},
		{"sHoP.example.com A +noedns", []string{`sHoP.example.com.\s+3\s+IN\s+A`}, "OPT PSEUDOSECTION"},
		{"shop.example.com AAAA +tcp", []string{`AAAA\s+2001:db8::1`, `\(TCP\)`}, ""},
		{"db.example.com SRV", []string{`SRV\s+0 1 6379 0a000004.addr.fairlead.`, `SRV\s+1 2 6379 0a000005.addr.fairlead.`, `0a000005.addr.fairlead.\s+3\s+IN\s+A\s+10.0.0.5`}, ""},
		{"redis.service.fairlead A +short", []string{`^10.0.0.10\n$`}, ""},
		{"many.example.com A +ignore", []string{`flags: qr aa tc rd;`}, ""},
		{"many.example.com A", []string{`Truncated, retrying in TCP mode`, `ANSWER: 300,`}, ""},
		{"test.shop.example.com A", []string{`status: NXDOMAIN`, `AUTHORITY: 1`, `SOA\s+ns.fairlead.`}, "10.8.0.1"},
		{"shop.example.com MX", []string{`status: NOERROR`, `ANSWER: 0, AUTHORITY: 1`}, ""},
		{"nobody.example.com A", []string{`status: REFUSED`}, "SOA"},
		{"shop.example.com ANY +notcp", []string{`HINFO\s+"RFC8482" ""`}, ""},
		{"shop.example.com AXFR", []string{`Transfer failed`}, ""},
		{"version.bind CH TXT", []string{`status: REFUSED`}, ""},
		{"shop.example.com A +edns=1 +noednsneg", []string{`status: BADVERS`, `EDNS: version: 0`}, "10.0.0"},
		{"shop.example.com A +opcode=status", []string{`status: NOTIMP`}, ""},
		{"shop.example.com A +dnssec +cd", []string{`flags: qr aa rd cd;`, `flags: do;`}, ""},
		{"+header-only", []string{`status: FORMERR`}, ""},
	} {
		args := append([]string{"@" + host, "-p", port, "+tries=1", "+time=5"}, strings.Fields(c.args)...)
		out, err := exec.CommandContext(t.Context(), "dig", args...).CombinedOutput()
		if err != nil {
			t.Errorf("dig %s: %v\n%s", c.args, err, out)
			continue
		}
		for _, want := range c.want {
			if !regexp.MustCompile(want).Match(out) {
				t.Errorf("dig %s: no %s in\n%s", c.args, want, out)
			}
		}
		if c.not != "" && regexp.MustCompile(c.not).Match(out) {
			t.Errorf("dig %s: %s in\n%s", c.args, c.not, out)
		}
	}
}
