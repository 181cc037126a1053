package notify

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// post is a scripted mail server (RFC 5321).
type post struct {
	extensions []string          // offered before STARTTLS; AUTH is offered after it
	refuse     map[string]string // answers to lines that begin so, instead of 250
	implicit   bool
	silent     bool
	tls        *tls.Config

	mu     sync.Mutex
	lines  []string
	mails  []string
	secure []bool // whether each mail came encrypted
}

// serve starts the server and returns its address and the file of its certificate.
func (p *post) serve(t *testing.T) (address, ca string) {
	t.Helper()
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	p.tls = &tls.Config{Certificates: certificate.TLS.Certificates}
	ca = certificateFile(t, certificate.Certificate().Raw)
	certificate.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); conns.Wait() })
	conns.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer conn.Close()
				p.talk(conn)
			})
		}
	})
	return listener.Addr().String(), ca
}

func certificateFile(t *testing.T, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (p *post) talk(conn net.Conn) {
	encrypted := p.implicit
	if p.implicit {
		conn = tls.Server(conn, p.tls)
	}
	if p.silent {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	in := bufio.NewReader(conn)
	say := func(line string) { _, _ = io.WriteString(conn, line+"\r\n") }
	say("220 mail.test ready")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		p.mu.Lock()
		p.lines = append(p.lines, line)
		p.mu.Unlock()
		if answer := p.refusal(line); answer != "" {
			say(answer)
			continue
		}
		switch verb, _, _ := strings.Cut(line, " "); verb {
		case "EHLO":
			offers := append([]string{"250-mail.test"}, p.extensions...)
			if encrypted {
				offers = []string{"250-mail.test", "250-AUTH LOGIN PLAIN"}
			}
			for _, offer := range offers {
				say(offer)
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go ahead")
			conn = tls.Server(conn, p.tls)
			in = bufio.NewReader(conn)
			encrypted = true
		case "AUTH":
			say("235 welcome")
		case "DATA":
			say("354 go on")
			p.take(in, encrypted)
			say("250 queued")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (p *post) refusal(line string) string {
	for begin, answer := range p.refuse {
		if strings.HasPrefix(line, begin) {
			return answer
		}
	}
	return ""
}

func (p *post) take(in *bufio.Reader, encrypted bool) {
	var mail strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if line == ".\r\n" {
			break
		}
		mail.WriteString(strings.TrimPrefix(line, "."))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, mail.String())
	p.secure = append(p.secure, encrypted)
}

// read returns a mail's headers and its text.
func read(t *testing.T, text string) (mail.Header, string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header, strings.ReplaceAll(string(body), "\r\n", "\n")
}

var letters = Email{From: "Fairlead <fairlead@example.com>", To: []string{"Anna Öz <anna@example.com>", "ben@example.com"}}

func TestEmail(t *testing.T) {
	const password = "p4ssw0rd"
	secret := secretFile(t, password)
	starttls := []string{"250-STARTTLS"}
	for _, test := range []struct {
		name   string
		server *post
		change func(e *Email)
		secure bool
		note   string
		want   string // the error; a mail arrives if it is empty
	}{
		{name: "plain", change: func(e *Email) { e.CAFile = "" }},
		{name: "starttls", server: &post{extensions: starttls}, secure: true},
		{name: "starttls and log-in", server: &post{extensions: starttls}, secure: true,
			change: func(e *Email) { e.User, e.Password = "fairlead", secret }},
		{name: "implicit", server: &post{implicit: true}, secure: true,
			change: func(e *Email) { e.TLS, e.User, e.Password = "implicit", "fairlead", secret }},
		{name: "required", server: &post{extensions: starttls}, secure: true, change: func(e *Email) { e.TLS = "required" }},
		{name: "required and not offered", change: func(e *Email) { e.TLS = "required" }, want: "does not offer STARTTLS, which is required"},
		{name: "unknown certificate", server: &post{extensions: starttls}, change: func(e *Email) { e.CAFile = "" }, want: "certificate"},
		{name: "no log-in offered", change: func(e *Email) { e.User, e.Password = "fairlead", secret }, want: "offers no log-in by PLAIN or CRAM-MD5"},
		{name: "log-in refused", server: &post{extensions: starttls, refuse: map[string]string{"AUTH": "535 what is " + base64.StdEncoding.EncodeToString([]byte("\x00fairlead\x00"+password))}},
			change: func(e *Email) { e.User, e.Password = "fairlead", secret }, want: "logging in at the mail server: it refuses with code 535"},
		{name: "sender refused", server: &post{refuse: map[string]string{"MAIL": "550 who?"}}, want: "the sender is refused: 550 \"who?\""},
		{name: "one recipient refused", server: &post{refuse: map[string]string{"RCPT TO:<anna": "550 gone"}},
			note: "the recipient anna@example.com is refused: 550 \"gone\""},
		{name: "all refused", server: &post{refuse: map[string]string{"RCPT": "450 later"}}, want: "the recipient ben@example.com is refused: 450 \"later\""},
		{name: "text refused", server: &post{refuse: map[string]string{"DATA": "554 spam"}}, want: "the mail is refused: 554 \"spam\""},
		{name: "refused at once", server: &post{refuse: map[string]string{"EHLO": "421 busy", "HELO": "421 busy"}}, want: "greeting the mail server: 421 \"busy\""},
	} {
		t.Run(test.name, func(t *testing.T) {
			config, p := letters, test.server
			if p == nil {
				p = &post{}
			}
			config.Server, config.CAFile = p.serve(t)
			if test.change != nil {
				test.change(&config)
			}
			e, err := newEmail(config)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			note, err := e.send(ctx, message)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), password) || strings.Contains(err.Error(), "what is") {
					t.Errorf("got %v, want %s", err, test.want)
				}
				return
			}
			if err != nil || note != test.note {
				t.Fatalf("got %q, %v; want %q", note, err, test.note)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			if len(p.mails) != 1 || p.secure[0] != test.secure {
				t.Fatalf("%d mails, encrypted: %v", len(p.mails), p.secure)
			}
			login := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00fairlead\x00"+password))
			if slices.Contains(p.lines, login) != (config.User != "") {
				t.Errorf("log-in: %q", p.lines)
			}
			checkMail(t, p.mails[0])
		})
	}
}

func checkMail(t *testing.T, text string) {
	t.Helper()
	header, body := read(t, text)
	to, err := header.AddressList("To")
	if err != nil || len(to) != 2 || to[0].Name != "Anna Öz" || to[1].Address != "ben@example.com" {
		t.Errorf("to %v, %v", to, err)
	}
	if at, err := header.Date(); err != nil || !at.Equal(message.At) {
		t.Errorf("date %s, %v", at, err)
	}
	for name, want := range map[string]string{
		"Subject": "[Fairlead] critical shop.example.com live", "From": `"Fairlead" <fairlead@example.com>`, "Auto-Submitted": "auto-generated",
	} {
		if header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, header.Get(name), want)
		}
	}
	if header.Get("Message-ID") == "" || header.Get("References") == "" {
		t.Error("no Message-ID or no References")
	}
	want := `2 of 3 "present"
<ü>

Event:   critical
Cluster: live
Service: shop.example.com
Since:   2026-01-02T03:04:05Z
Written: 2026-01-02T03:05:00Z
Key:     live/shop.example.com/few
ID:      ID1
`
	if body != want {
		t.Errorf("text\n%s\nwant\n%s", body, want)
	}
}

func TestEmailOfAMatterIsOneThread(t *testing.T) {
	e, err := newEmail(Email{Server: "mail.test:25", From: "a@example.com", To: []string{"b@example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	threads, ids, subjects := map[string]bool{}, map[string]bool{}, []string{}
	for i, m := range []Message{
		{Notice: few("shop", "a"), Kind: First}, {Notice: few("shop", "b"), Kind: Repeat}, {Notice: over(few("shop", "b")), Kind: Over},
	} {
		m.ID = string(rune('a' + i))
		header, _ := read(t, string(e.compose(m)))
		threads[header.Get("References")], ids[header.Get("Message-ID")] = true, true
		subjects = append(subjects, header.Get("Subject"))
	}
	if len(threads) != 1 || len(ids) != 3 {
		t.Errorf("threads %v, IDs %v", threads, ids)
	}
	want(t, "subjects", subjects, "[Fairlead] critical shop live", "[Fairlead] still critical shop live", "[Fairlead] healed shop live")
}

func TestMailServerThatHangs(t *testing.T) {
	for _, p := range []*post{{silent: true}, {silent: true, implicit: true}} {
		config := letters
		config.Server, config.CAFile = p.serve(t)
		if p.implicit {
			config.TLS = "implicit"
		}
		e, err := newEmail(config)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := e.send(ctx, message); err == nil {
			t.Error("a mail was delivered")
		}
		cancel()
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		if _, err := e.send(ctx, message); err == nil {
			t.Error("a mail was delivered")
		}
		cancel()
	}
}

func TestEmailErrorsAtLoad(t *testing.T) {
	secret := secretFile(t, "x")
	for _, test := range []struct {
		name   string
		change func(e *Email)
		want   string
	}{
		{"server", func(e *Email) { e.Server = "mail.test" }, `the mail server "mail.test" must be HOST:PORT`},
		{"from", func(e *Email) { e.From = "nobody" }, `the sender "nobody"`},
		{"to", func(e *Email) { e.To = []string{"a@b\r\nBcc: c@d"} }, "the recipient"},
		{"nobody", func(e *Email) { e.To = nil }, "a mail needs a recipient"},
		{"tls", func(e *Email) { e.TLS = "maybe" }, `not "maybe"`},
		{"no password", func(e *Email) { e.User = "u" }, "it takes a user and a password"},
		{"no user", func(e *Email) { e.Password = secret }, "it takes a user and a password"},
		{"missing password", func(e *Email) { e.User, e.Password = "u", Secret{File: "/none/such"} }, "reading the secret: open /none/such"},
		{"certificates", func(e *Email) { e.CAFile = "/none/such" }, "reading the certificates"},
	} {
		config := letters
		config.Server = "mail.test:25"
		test.change(&config)
		if _, err := newEmail(config); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
}

// FuzzMail looks for texts that get out of their place in a mail.
func FuzzMail(f *testing.F) {
	f.Add("shop", "live", "critical", "text")
	f.Add("a\r\nBcc: x@example.com", "b\r\n\r\nbody", "e\n.\n", ".\r\n.\r\nüäö\x00")
	f.Add(strings.Repeat("ü", 300), "\xff\xfe", "", "")
	e, err := newEmail(Email{Server: "mail.test:25", From: "a@example.com", To: []string{"b@example.com"}})
	if err != nil {
		f.Fatal(err)
	}
	names := []string{"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "Message-Id", "Mime-Version",
		"References", "Subject", "To"}
	f.Fuzz(func(t *testing.T, service, cluster, event, text string) {
		m := message
		m.Service, m.Cluster, m.Event, m.Text = service, cluster, "x"+message.Event, text
		m.Key, m.ID = event+service, event
		m.Notice = tidy(m.Notice)
		header, body := read(t, string(e.compose(m)))
		var got []string
		for name, values := range header {
			if len(values) != 1 {
				t.Errorf("%d headers %s", len(values), name)
			}
			got = append(got, name)
		}
		slices.Sort(got)
		if !slices.Equal(got, names) {
			t.Errorf("headers %q", got)
		}
		if _, err := new(mime.WordDecoder).DecodeHeader(header.Get("Subject")); err != nil {
			t.Errorf("subject %q: %v", header.Get("Subject"), err)
		}
		if !strings.Contains(body, "Since:   2026-01-02T03:04:05Z\n") {
			t.Errorf("text %q", body)
		}
	})
}
