package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"os"
	"slices"
	"strings"
)

// Email sends each message as a mail in plain text.
type Email struct {
	// Server is HOST:PORT of the mail server.
	Server string
	From   string
	To     []string
	// TLS says when the connection is encrypted: "offered" (the default: by STARTTLS if the server offers it), "required" (by STARTTLS, or
	// nothing is sent) or "implicit" (from the first byte, port 465).
	TLS string
	// User and Password log in, if set: by PLAIN, over an encrypted connection or to this machine only, or by CRAM-MD5.
	User     string
	Password Secret
	// CAFile has the certificates (PEM) of whom to trust instead of the system's.
	CAFile string
}

// email is a sender.
type email struct {
	config   Email
	host     string // of the server
	self     string // this machine's name
	from     *mail.Address
	to       []*mail.Address
	roots    *x509.CertPool
	implicit bool
	required bool
}

func newEmail(c Email) (*email, error) {
	e := &email{config: c, implicit: c.TLS == "implicit", required: c.TLS == "required"}
	var err error
	if e.host, _, err = net.SplitHostPort(c.Server); err != nil || e.host == "" {
		return nil, fmt.Errorf("the mail server %q must be HOST:PORT", c.Server)
	}
	if e.from, err = mail.ParseAddress(c.From); err != nil {
		return nil, fmt.Errorf("the sender %q: %w", c.From, err)
	}
	for _, to := range c.To {
		address, err := mail.ParseAddress(to)
		if err != nil {
			return nil, fmt.Errorf("the recipient %q: %w", to, err)
		}
		e.to = append(e.to, address)
	}
	if len(e.to) == 0 {
		return nil, errors.New("a mail needs a recipient")
	}
	switch c.TLS {
	case "", "offered", "required", "implicit":
	default:
		return nil, fmt.Errorf("tls is offered, required or implicit, not %q", c.TLS)
	}
	if (c.User == "") == c.Password.set() {
		return nil, errors.New("to log in at the mail server it takes a user and a password")
	}
	if _, err := c.Password.read(); err != nil {
		return nil, err
	}
	if e.roots, err = readRoots(c.CAFile); err != nil {
		return nil, err
	}
	if e.self, err = os.Hostname(); err != nil || strings.ContainsFunc(e.self, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		e.self = "localhost"
	}
	return e, nil
}

func (e *email) send(ctx context.Context, m Message) (note string, err error) {
	password, err := e.config.Password.read()
	if err != nil {
		return "", err
	}
	conn, err := e.dial(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return "", err
		}
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // an end of ctx before its deadline
	note, err = e.converse(conn, m, password)
	if err != nil && ctx.Err() != nil {
		return "", fmt.Errorf("the mail server does not answer: %w", ctx.Err())
	}
	return note, conceal(err, password)
}

func (e *email) dial(ctx context.Context) (net.Conn, error) {
	if e.implicit {
		return (&tls.Dialer{Config: e.tls()}).DialContext(ctx, "tcp", e.config.Server)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", e.config.Server)
}

func (e *email) tls() *tls.Config { return &tls.Config{ServerName: e.host, RootCAs: e.roots} }

// converse hands the mail over. A recipient that is refused does not keep it from the others: the note says so.
func (e *email) converse(conn net.Conn, m Message, password string) (note string, err error) {
	client, err := smtp.NewClient(conn, e.host)
	if err != nil {
		return "", fmt.Errorf("greeting of the mail server: %w", err)
	}
	if err := e.open(client, password); err != nil {
		return "", err
	}
	if err := client.Mail(e.from.Address); err != nil {
		return "", fmt.Errorf("the sender is refused: %w", err)
	}
	var refused []error
	for _, to := range e.to {
		if err := client.Rcpt(to.Address); err != nil {
			refused = append(refused, fmt.Errorf("the recipient %s is refused: %w", to.Address, err))
		}
	}
	if len(refused) == len(e.to) {
		return "", errors.Join(refused...)
	}
	if err := e.data(client, m); err != nil {
		return "", err
	}
	_ = client.Quit() // the mail is theirs by now
	if len(refused) > 0 {
		return conceal(errors.Join(refused...), password).Error(), nil
	}
	return "", nil
}

// open greets, encrypts and logs in.
func (e *email) open(client *smtp.Client, password string) error {
	if err := client.Hello(e.self); err != nil {
		return fmt.Errorf("greeting the mail server: %w", err)
	}
	if offered, _ := client.Extension("STARTTLS"); offered && !e.implicit {
		if err := client.StartTLS(e.tls()); err != nil {
			return fmt.Errorf("encrypting the connection to the mail server: %w", err)
		}
	} else if e.required {
		return errors.New("the mail server does not offer STARTTLS, which is required")
	}
	if e.config.User == "" {
		return nil
	}
	_, offered := client.Extension("AUTH")
	mechanisms := strings.Fields(strings.ToUpper(offered))
	var auth smtp.Auth
	switch {
	case slices.Contains(mechanisms, "PLAIN"):
		auth = smtp.PlainAuth("", e.config.User, password, e.host)
	case slices.Contains(mechanisms, "CRAM-MD5"):
		auth = smtp.CRAMMD5Auth(e.config.User, password)
	default:
		return fmt.Errorf("the mail server offers no log-in by PLAIN or CRAM-MD5, but %q", offered)
	}
	return loginError(client.Auth(auth))
}

// loginError leaves out what the server says: some repeat the line they did not like, and that has the password in a form of its own.
func loginError(err error) error {
	var answer *textproto.Error
	var garbage textproto.ProtocolError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer):
		return fmt.Errorf("logging in at the mail server: it refuses with code %d", answer.Code)
	case errors.As(err, &garbage):
		return errors.New("logging in at the mail server: its answer makes no sense")
	}
	return fmt.Errorf("logging in at the mail server: %w", err)
}

func (e *email) data(client *smtp.Client, m Message) error {
	writer, err := client.Data()
	if err != nil {
		return fmt.Errorf("the mail is refused: %w", err)
	}
	if _, err := writer.Write(e.compose(m)); err != nil {
		return fmt.Errorf("handing over the mail: %w", err)
	}
	if err := writer.Close(); err != nil {
		return fmt.Errorf("the mail is refused: %w", err)
	}
	return nil
}
