package app

import (
	"fmt"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/fairlead/fairlead/healer/notify"
)

// Notify is one receiver of notifications: a webhook, an e-mail address or a command.
type Notify struct {
	// The name of its queue. Default: made of what the receiver is.
	Name string `json:"name,omitempty"`

	Webhook *NotifyWebhook `json:"webhook,omitempty"`
	Email   *NotifyEmail   `json:"email,omitempty"`
	Command *NotifyCommand `json:"command,omitempty"`
}

// NotifyWebhook posts each message to a URL.
type NotifyWebhook struct {
	URL         string            `json:"url,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	SecretFile  string            `json:"secret_file,omitempty"`
	SecretEnv   string            `json:"secret_env,omitempty"`
	Template    string            `json:"template,omitempty"` // a file
	ContentType string            `json:"content_type,omitempty"`
	CAFile      string            `json:"ca_file,omitempty"`
}

// NotifyEmail sends each message as an e-mail.
type NotifyEmail struct {
	Server       string   `json:"server,omitempty"` // host:port
	From         string   `json:"from,omitempty"`
	To           []string `json:"to,omitempty"`
	TLS          string   `json:"tls,omitempty"`
	User         string   `json:"user,omitempty"`
	PasswordFile string   `json:"password_file,omitempty"`
	PasswordEnv  string   `json:"password_env,omitempty"`
	CAFile       string   `json:"ca_file,omitempty"`
}

// NotifyCommand runs a program for each message.
type NotifyCommand struct {
	Argv    []string `json:"argv,omitempty"`
	PassEnv []string `json:"pass_env,omitempty"`
}

// receiver returns it in the words of the domain.
func (n *Notify) receiver() (notify.Receiver, error) {
	r := notify.Receiver{Name: n.Name}
	if w := n.Webhook; w != nil {
		r.Webhook = &notify.Webhook{
			URL: w.URL, Headers: w.Headers, Secret: notify.Secret{File: w.SecretFile, Env: w.SecretEnv}, ContentType: w.ContentType, CAFile: w.CAFile,
		}
		if w.Template != "" {
			text, err := os.ReadFile(w.Template)
			if err != nil {
				return r, fmt.Errorf("notify webhook: template: %w", err)
			}
			r.Webhook.Template = string(text)
		}
	}
	if e := n.Email; e != nil {
		r.Email = &notify.Email{
			Server: e.Server, From: e.From, To: e.To, TLS: e.TLS, User: e.User,
			Password: notify.Secret{File: e.PasswordFile, Env: e.PasswordEnv}, CAFile: e.CAFile,
		}
	}
	if c := n.Command; c != nil {
		r.Command = &notify.Command{Argv: c.Argv, PassEnv: c.PassEnv}
	}
	return r, nil
}

// receivers resolves all of them, and has each looked at.
func receivers(from []*Notify, repeat time.Duration, dir string) (c notify.Config, err error) {
	c = notify.Config{Dir: dir, Repeat: repeat}
	for _, n := range from {
		r, err := n.receiver()
		if err != nil {
			return c, err
		}
		c.Receivers = append(c.Receivers, r)
	}
	if len(c.Receivers) > 0 {
		_, err = notify.New(c)
	}
	return c, err
}

// unmarshal reads a receiver:
//
//	notify webhook URL {
//		name NAME
//		header NAME VALUE
//		secret_file PATH
//		secret_env NAME
//		template FILE
//		content_type TYPE
//		ca PATH
//	}
//	notify email HOST:PORT {
//		name NAME
//		from ADDRESS
//		to ADDRESS…
//		tls offered|required|implicit
//		user NAME
//		password_file PATH
//		password_env NAME
//		ca PATH
//	}
//	notify command PROGRAM ARGUMENT… {
//		name NAME
//		pass_env NAME…
//	}
func (n *Notify) unmarshal(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 {
		return d.Err("notify wants webhook URL, email HOST:PORT, or command and what to run")
	}
	var line func(*caddyfile.Dispenser) error
	switch kind := args[0]; {
	case kind == "webhook" && len(args) == 2:
		n.Webhook = &NotifyWebhook{URL: args[1]}
		line = n.Webhook.unmarshalLine
	case kind == "email" && len(args) == 2:
		n.Email = &NotifyEmail{Server: args[1]}
		line = n.Email.unmarshalLine
	case kind == "command":
		n.Command = &NotifyCommand{Argv: args[1:]}
		line = n.Command.unmarshalLine
	default:
		return d.Errf("notify %s: want webhook URL, email HOST:PORT, or command and what to run", kind)
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		var err error
		if d.Val() == "name" {
			err = word(d, &n.Name)
		} else {
			err = line(d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *NotifyWebhook) unmarshalLine(d *caddyfile.Dispenser) error {
	switch d.Val() {
	case "header":
		var name, value string
		if !d.AllArgs(&name, &value) {
			return d.Err("header wants a name and a value")
		}
		if w.Headers == nil {
			w.Headers = map[string]string{}
		}
		w.Headers[name] = value
		return nil
	case "secret_file":
		return word(d, &w.SecretFile)
	case "secret_env":
		return word(d, &w.SecretEnv)
	case "template":
		return word(d, &w.Template)
	case "content_type":
		return word(d, &w.ContentType)
	case "ca":
		return word(d, &w.CAFile)
	}
	return d.Errf("unknown option %q of notify webhook", d.Val())
}

func (e *NotifyEmail) unmarshalLine(d *caddyfile.Dispenser) error {
	switch d.Val() {
	case "from":
		return word(d, &e.From)
	case "to":
		return list(d, &e.To, func([]string) error { return nil })
	case "tls":
		return word(d, &e.TLS)
	case "user":
		return word(d, &e.User)
	case "password_file":
		return word(d, &e.PasswordFile)
	case "password_env":
		return word(d, &e.PasswordEnv)
	case "ca":
		return word(d, &e.CAFile)
	}
	return d.Errf("unknown option %q of notify email", d.Val())
}

func (c *NotifyCommand) unmarshalLine(d *caddyfile.Dispenser) error {
	if d.Val() != "pass_env" {
		return d.Errf("unknown option %q of notify command", d.Val())
	}
	return list(d, &c.PassEnv, func([]string) error { return nil })
}
