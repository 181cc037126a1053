package app_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/fairlead/fairlead/plugins/app"
	_ "github.com/fairlead/fairlead/plugins/handler"
)

var update = flag.Bool("update", false, "write what the adapter makes of the Caddyfiles into testdata")

// adapt turns a Caddyfile into JSON.
func adapt(caddyfile string) ([]byte, error) {
	text, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	return text, err
}

// TestAdapt compares the two halves of each file: a Caddyfile and its JSON.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			caddyfile, want, ok := strings.Cut(string(text), "----------\n")
			if !ok {
				t.Fatal("the file has one half only")
			}
			compact, err := adapt(caddyfile)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			json.Indent(&got, compact, "", "\t")
			got.WriteByte('\n')
			if *update {
				if err := os.WriteFile(file, []byte(caddyfile+"----------\n"+got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got.String() != want {
				t.Errorf("got\n%s\nwant\n%s", got.String(), want)
			}
		})
	}
}

// TestAdaptRefuses looks for the words and for the line of each mistake.
func TestAdaptRefuses(t *testing.T) {
	for _, c := range []struct{ name, options, want string }{
		{"no cluster", "", "no cluster is configured"},
		{"unknown option", "clutser live", `unknown option "clutser", at Caddyfile:3`},
		{"unknown engine", "lane fast", `engine "fast": want loop, portable or off, at Caddyfile:3`},
		{"lane twice", "lane off\nlane portable", "lane is given twice"},
		{"unknown limit", "lane {\nmax_conns 3\n}", `unknown option "max_conns" of lane, at Caddyfile:4`},
		{"limit below zero", "lane {\nmax_connections -1\n}", "max_connections -1: want a number above zero"},
		{"two engines", "lane off loop", "unexpected line ending"},
		{"cluster without a name", "cluster {\n}", "cluster wants a name and a block, at Caddyfile:3"},
		{"bad cluster name", "cluster li/ve {\n}", `cluster "li/ve": a cluster's name is made of letters, digits, - and _, at Caddyfile:3`},
		{"no source", "cluster live {\nprefix a.\n}", "cluster live: no source is configured: add consul ADDRESS, docker or file PATH"},
		{"two of a name", "cluster live {\nfile a\n}\ncluster live {\nprefix t.\nfile b\n}", "two clusters are named live"},
		{"two of a prefix", "cluster live {\nprefix t.\nfile a\n}\ncluster b {\nprefix T\nfile b\n}", `clusters live and b have the same prefix "t."`},
		{"two without a prefix", "cluster live {\nfile a\n}\ncluster b {\nfile b\n}", `clusters live and b have the same prefix ""`},
		{"prefix that is none", "cluster live {\nprefix te_st.*\n}", `prefix "te_st.*": want labels and a dot, such as test., at Caddyfile:4`},
		{"prefix with a port", "cluster live {\nprefix test:80\n}", `prefix "test:80"`},
		{"bad network", "cluster live {\nallow 10.0.0.0/33\n}", `allow: "10.0.0.0/33": want an address, a CIDR range or private_ranges, at Caddyfile:4`},
		{"IPv4 network as IPv6", "cluster live {\nallow 192.0.2.1 ::ffff:10.0.0.0/104\n}", `allow: "::ffff:10.0.0.0/104" stands for IPv4 addresses: write 10.0.0.0/8, at Caddyfile:4`},
		{"IPv4 address as IPv6", "trusted_proxies ::ffff:10.0.0.7", `trusted_proxies: "::ffff:10.0.0.7" stands for IPv4 addresses: write 10.0.0.7/32, at Caddyfile:3`},
		{"IPv4 and IPv6 at once", "cluster live {\nallow ::ffff:0.0.0.0/95\n}", `"::ffff:0.0.0.0/95" stands for IPv4 addresses: write the IPv4 and IPv6 ranges`},
		{"nobody allowed", "cluster live {\nallow\n}", "allow wants at least one value, at Caddyfile:4"},
		{"bad Consul address", "cluster live {\nconsul 127.0.0.1\n}", `consul "127.0.0.1": want host:port, at Caddyfile:4`},
		{"literal token", "cluster live {\nconsul 127.0.0.1:8500 {\ntoken 8a5f\n}\n}", "the token stands in the configuration, where the admin endpoint shows it: write token_file PATH"},
		{"half a placeholder", "cluster live {\nconsul 127.0.0.1:8500 {\ntoken x{env.A}\n}\n}", "at Caddyfile:5"},
		{"unknown setting", "cluster live {\nfile a\ndefaults {\npolicy least_conn\npolicies x\n}\n}", `unknown setting "policies", at Caddyfile:7`},
		{"unknown policy", "defaults {\npolicy fastest\n}", `policy "fastest": want one of round_robin, least_conn, random, peak_ewma, hash, at Caddyfile:4`},
		{"setting twice", "defaults {\nretries 1\nretries 2\n}", "retries is given twice, at Caddyfile:5"},
		{"domain that is none", "domain shop_ex ample {\n}", "at Caddyfile:3"},
		{"domain with a bad byte", "domain shöp.example.com {\n}", `"shöp.example.com" is no host name, at Caddyfile:3`},
		{"domain twice", "domain a.b {\nretries 1\n}\ndomain A.b {\n}", "domain A.b is given twice"},
		{"domains that are none", "cluster live {\ndomains a..b\n}", `domains: "a..b" is no host name, at Caddyfile:4`},
		{"domain for domains", "cluster live {\ndomain *.example.com\n}", "domain *.example.com has no settings; what limits a cluster to some domains is called domains, at Caddyfile:4"},
		{"answer what", "cluster live {\nanswer edge\n}", "answer wants members, or edge and the addresses of this proxy, at Caddyfile:4"},
		{"answer a name", "cluster live {\nanswer edge www.example.com\n}", `answer edge "www.example.com": want an IP address that clients can reach`},
		{"dns nowhere", "dns", "dns wants an address such as 127.0.0.1:8600, at Caddyfile:3"},
		{"dns at a range", "dns 127.0.0.1:53-60", `dns "127.0.0.1:53-60": want an address such as 127.0.0.1:8600 or :53, at Caddyfile:3`},
		{"dns zone", "dns :53 {\nzone a..b\n}", `zone "a..b" is not a domain name`},
		{"bad duration", "drain_delay soon", `drain_delay "soon": want a duration such as 500ms or 10s, at Caddyfile:3`},
		{"duration twice", "drain_delay", "drain_delay wants one value, at Caddyfile:3"},
		{"bad certificates", "cluster live {\ncertificates none\n}", `certificates "none": want internal or policy, at Caddyfile:4`},
		{"bad refusal", "refuse 1.2.3.4", "refuse: want host:port, at Caddyfile:3"},
		{"bad number", "cluster live {\nconsul 127.0.0.1:8500 {\nmax_watches many\n}\n}", `max_watches "many": want a whole number, at Caddyfile:5`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := adapt("{\nfairlead {\n" + c.options + "\n}\n}\n")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	if _, err := adapt("{\nfairlead {\ncluster a {\nfile a\n}\n}\nfairlead {\n}\n}\n"); err == nil || !strings.Contains(err.Error(), "given twice") {
		t.Errorf("two blocks: %v", err)
	}
	if _, err := adapt(":80 {\nfairlead {\npass\n}\n}\n"); err == nil || !strings.Contains(err.Error(), `unknown option "pass" of fairlead`) {
		t.Errorf("unknown option of the directive: %v", err)
	}
}
