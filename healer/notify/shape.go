package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"
	"text/template"
	"time"

	"github.com/fairlead/fairlead/healer"
)

// shape makes the body of a webhook's request.
type shape struct {
	template *template.Template // nil makes the message itself, as JSON
	json     bool               // the body must be JSON
	secret   bool               // the template has a place for the secret
}

// maxBody bounds what a template makes, in bytes.
const maxBody = 256 << 10

// newShape reads a template and tries it, so that what is wrong with it shows now and not when somebody must be told.
func newShape(text, contentType, secret string) (*shape, error) {
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, fmt.Errorf("the content type %q: %w", contentType, err)
	}
	s := &shape{json: mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")}
	if text == "" {
		return s, nil
	}
	s.template, err = template.New("template").Funcs(functions(func() string { return "" })).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the body's template: %w", conceal(err, secret))
	}
	for _, m := range samples() {
		if _, err := s.fill(m, func() string { s.secret = true; return secret }); err != nil {
			return nil, conceal(err, secret)
		}
	}
	return s, nil
}

// functions are what templates may use beside the built-in ones.
func functions(secret func() string) template.FuncMap {
	return template.FuncMap{
		"json": func(v any) (string, error) {
			text, err := json.Marshal(v)
			return string(text), err
		},
		"later": func(d string, t time.Time) (time.Time, error) {
			wait, err := time.ParseDuration(d)
			return t.Add(wait), err
		},
		"shorten": func(size int, text string) string { return shorten(text, size) },
		"secret":  secret,
	}
}

// body returns a message's form for this receiver.
func (s *shape) body(m Message, secret string) ([]byte, error) {
	if s.template == nil {
		return json.Marshal(m)
	}
	body, err := s.fill(m, func() string { return secret })
	return body, conceal(err, secret)
}

func (s *shape) fill(m Message, secret func() string) ([]byte, error) {
	tmpl, err := s.template.Clone()
	if err != nil {
		return nil, err
	}
	var body limited
	if err := tmpl.Funcs(functions(secret)).Execute(&body, m); err != nil {
		return nil, fmt.Errorf("the body's template: %w", err)
	}
	if s.json && !json.Valid(body.Bytes()) {
		return nil, errors.New("the body's template does not make JSON; write values with json, such as {{json .Text}}")
	}
	return body.Bytes(), nil
}

// limited is a buffer that refuses more than maxBody.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxBody {
		return 0, fmt.Errorf("it makes more than %d bytes", maxBody)
	}
	return l.Buffer.Write(p)
}

// samples are messages of every kind, with what is awkward to write.
func samples() []Message {
	at := time.Date(2006, 1, 2, 15, 4, 5, 0, time.UTC)
	var all []Message
	for _, event := range []healer.Event{healer.TooMany, healer.TooFew, healer.GaveUp, healer.Doubted, healer.Frozen, healer.Healed, Dropped} {
		for _, kind := range []Kind{First, Update, Repeat, Over} {
			n := healer.Notice{
				Key: "live/shop.example.com/few", Event: event, Cluster: "live", Service: "shop.example.com",
				Text: "a \"quoted\"\\\n\ttext & more, <ü>", Since: at, Resolved: kind == Over,
			}
			bare := healer.Notice{Key: "k", Event: event, Since: at, Resolved: kind == Over}
			all = append(all, Message{Notice: n, ID: "sample", Kind: kind, At: at}, Message{Notice: bare, ID: "sample", Kind: kind, At: at})
		}
	}
	return all
}
