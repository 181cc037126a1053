package registrar

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/discovery"
	realconsul "github.com/fairlead/fairlead/tools/consul"
)

func TestChecks(t *testing.T) {
	six := func(i *discovery.Instance) { i.Address = "2001:db8::1" }
	unhealthy := withHealth(discovery.Critical, "its HEALTHCHECK says unhealthy")
	for _, test := range []struct {
		name    string
		change  func(*discovery.Instance)
		meta    string // name=value, separated by semicolons
		scripts bool
		want    []string // "ID status definition", or
		refused string
	}{
		{name: "none"},
		{name: "HTTP", meta: "http=/health", want: []string{"service:i:http critical HTTP GET http://127.0.0.1:80/health, every 10s"}},
		{name: "HTTP with everything", meta: "http=health?a=b;http_method=head;interval=5s;timeout=500ms;initial_status=Passing;deregister_after=90m",
			want: []string{"service:i:http passing HTTP HEAD http://127.0.0.1:80/health?a=b, every 5s, time-out 500ms, deregistered after 1h30m0s"}},
		{name: "HTTPS", meta: "https=/;tls_skip_verify=true", want: []string{"service:i:https critical HTTPS GET https://127.0.0.1:80/ (certificate not verified), every 10s"}},
		{name: "IPv6", change: six, meta: "http=/h;tcp=true;grpc=true", want: []string{
			"service:i:http critical HTTP GET http://[2001:db8::1]:80/h, every 10s",
			"service:i:tcp critical TCP [2001:db8::1]:80, every 10s",
			"service:i:grpc critical gRPC [2001:db8::1]:80, every 10s",
		}},
		{name: "TCP", meta: "tcp=1;initial_status=warning", want: []string{"service:i:tcp warning TCP 127.0.0.1:80, every 10s"}},
		{name: "switched off", meta: "tcp=false;grpc=0"},
		{name: "gRPC of a service with TLS", meta: "grpc=/shop.Shop;grpc_use_tls=true", want: []string{"service:i:grpc critical gRPC 127.0.0.1:80/shop.Shop with TLS, every 10s"}},
		{name: "gRPC with TLS unverified", meta: "grpc=true;grpc_use_tls=true;tls_skip_verify=true",
			want: []string{"service:i:grpc critical gRPC 127.0.0.1:80 with TLS (certificate not verified), every 10s"}},
		{name: "TTL", meta: "ttl=30s", want: []string{"service:i critical TTL 30s, passed by the application"}},
		{name: "two", meta: "ttl=30s;http=/", want: []string{
			"service:i:http critical HTTP GET http://127.0.0.1:80/, every 10s", "service:i critical TTL 30s, passed by the application",
		}},
		{name: "the source's own", change: unhealthy, want: []string{"service:i:source-critical critical the source says critical: its HEALTHCHECK says unhealthy"}},
		{name: "the source's own warning", change: withHealth(discovery.Warning, ""), want: []string{"service:i:source-warning warning the source says warning"}},
		{name: "the source's own beside another", change: unhealthy, meta: "tcp=true", want: []string{"service:i:tcp critical TCP 127.0.0.1:80, every 10s"}},
		{name: "maintenance is no check", change: withHealth(discovery.Maintenance, "signal 15")},
		{name: "a script with leave", meta: "script=curl $SERVICE_IP:$SERVICE_PORT", scripts: true, want: []string{"service:i:script critical script " + digest("curl 127.0.0.1:80") + ", every 10s"}},
		{name: "a command with leave", meta: "cmd=/check", scripts: true, want: []string{"service:i:cmd critical command " + digest("/check") + " in container c-i, every 10s"}},

		{name: "a script", meta: "script=true", refused: "check_script is refused"},
		{name: "a command", meta: "cmd=true", refused: "check_cmd is refused"},
		{name: "a bad interval", meta: "http=/;interval=10", refused: `check_interval "10": want a time with its unit`},
		{name: "an interval of nothing", meta: "http=/;interval=0s", refused: "check_interval"},
		{name: "a bad time-out", meta: "tcp=true;timeout=soon", refused: "check_timeout"},
		{name: "a bad TTL", meta: "ttl=-3s", refused: "check_ttl"},
		{name: "a bad end", meta: "ttl=3s;deregister_after=never", refused: "check_deregister_after"},
		{name: "a bad status", meta: "http=/;initial_status=up", refused: `check_initial_status "up"`},
		{name: "a whole URL", meta: "http=http://example.com/", refused: "want a path"},
		{name: "a bad path", meta: "http=/%zz", refused: "check_http"},
		{name: "no port", change: func(i *discovery.Instance) { i.Port = 0 }, meta: "tcp=true", refused: "no port"},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := instance("s", "i", 80)
			for pair := range strings.SplitSeq(test.meta, ";") {
				if name, value, found := strings.Cut(pair, "="); found {
					i.Meta["check_"+name] = value
				}
			}
			if test.change != nil {
				test.change(&i)
			}
			checks, err := attributes{instance: &i, interval: 10 * time.Second, scripts: test.scripts}.checks()
			if test.refused != "" {
				if err == nil || !strings.Contains(err.Error(), test.refused) {
					t.Errorf("error %v, want one about %q", err, test.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range checks {
				got = append(got, c.CheckID+" "+c.Status+" "+c.Notes)
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("checks are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// A time that cannot be understood would let a copy run on that is thought to be stopped.
func TestSelfStopIsUnderstood(t *testing.T) {
	for text, want := range map[string]string{"": "", "60s": "", "60": `self_stop "60": want a time with its unit`, "1s": "at least 10s"} {
		i := instance("s", "i", 80, withMeta("self_stop", text))
		s := Config{}.withDefaults().build(identity{}, &i)
		if want == "" && s.refused != nil || want != "" && (s.refused == nil || !strings.Contains(s.refused.Error(), want)) {
			t.Errorf("%q: refused by %v, want %q", text, s.refused, want)
		}
	}
}

// TestRealChecks: a real agent takes every kind of check, and what it does not take is said.
func TestRealChecks(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{})
	r := start(t, prompt(a))
	all := withMeta("check_http", "/h", "check_https", "/h", "check_tls_skip_verify", "true", "check_tcp", "true", "check_grpc", "/shop.Shop",
		"check_grpc_use_tls", "true", "check_ttl", "1h", "check_interval", "1h", "check_timeout", "3s", "check_deregister_after", "1h")
	r.source.all(
		instance("shop", "shop-1", 8001, all),
		instance("shop", "shop-2", 8002, withMeta("check_http", "/h", "check_interval", "often")),
		instance("shop", "shop-3", 8003, withMeta("check_script", "true")),
		instance("shop", "shop-4", 8004, withMeta("bad key", "x", "long", strings.Repeat("x", 600))),
	)
	r.until(t, "two of four", func(s Status) bool {
		return s.Counts.Agreeing == 2 && len(s.Items) == 3 && strings.Contains(s.Items[0].Error, "check_interval") &&
			strings.Contains(s.Items[1].Error, "check_script") && strings.Contains(s.Items[2].Note, `"bad key"`) && s.Items[2].Error == ""
	})
	expect(t, a, "shop-1: critical", "shop-4: passing")
	found, err := a.Client().Agent().Checks()
	if err != nil {
		t.Fatal(err)
	}
	for id, kind := range map[string]string{"service:shop-1:http": "http", "service:shop-1:https": "http", "service:shop-1:tcp": "tcp",
		"service:shop-1:grpc": "grpc", "service:shop-1": "ttl"} {
		if found[id] == nil || found[id].Type != kind || found[id].Status != api.HealthCritical {
			t.Errorf("check %s is %+v", id, found[id])
		}
	}

	// What was good stays when it turns bad.
	r.source.all(instance("shop", "shop-4", 8004, withMeta("check_ttl", "x")))
	expect(t, a, "shop-4: passing")
	r.until(t, "the refusal", func(s Status) bool { return len(s.Items) == 1 && strings.Contains(s.Items[0].Error, "check_ttl") })

	// This agent allows no scripts.
	c := prompt(a)
	c.Owner, c.Scripts = "scripts", true
	scripts := start(t, c)
	scripts.source.all(instance("shop", "shop-5", 8005, withMeta("check_script", "true")))
	scripts.until(t, "Consul's refusal", func(s Status) bool {
		return len(s.Items) == 1 && strings.Contains(s.Items[0].Error, "Scripts are disabled")
	})
}
