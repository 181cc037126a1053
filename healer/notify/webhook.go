package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
)

// Webhook posts each message to a URL. An answer of 2xx means that it is delivered; redirects are not followed.
type Webhook struct {
	// URL, http or https, and the values of Headers may contain {secret}.
	URL     string
	Headers map[string]string
	// Secret is sent as "Authorization: Bearer SECRET" unless the URL, a header or the template has a place for it.
	Secret Secret
	// Template makes the body, a text/template over Message; without one the body is the Message as JSON.
	Template string
	// ContentType is the body's (application/json). A body that should be JSON and is not is refused when the template is loaded.
	ContentType string
	// CAFile has the certificates (PEM) of whom to trust instead of the system's.
	CAFile string
}

const secretPlace = "{secret}"

// webhook is a sender.
type webhook struct {
	config Webhook
	shape  *shape
	client *http.Client
}

func newWebhook(c Webhook) (*webhook, error) {
	c.ContentType = cmp.Or(c.ContentType, "application/json")
	secret, err := c.Secret.read()
	if err != nil {
		return nil, err
	}
	if err := checkURL(strings.ReplaceAll(c.URL, secretPlace, secret)); err != nil {
		return nil, err
	}
	shape, err := newShape(c.Template, c.ContentType, secret)
	if err != nil {
		return nil, err
	}
	if err := c.place(shape.secret); err != nil {
		return nil, err
	}
	roots, err := readRoots(c.CAFile)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // messages are rare
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &webhook{config: c, shape: shape, client: client}, nil
}

// place checks the headers and gives the secret a place if it has none.
func (c *Webhook) place(placed bool) error {
	placed = placed || strings.Contains(c.URL, secretPlace)
	headers := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		value := c.Headers[name]
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) {
			return fmt.Errorf("%q is no name of a header", name)
		}
		if strings.ContainsAny(value, "\r\n\x00") {
			return fmt.Errorf("the value of header %s is more than one line", name)
		}
		placed = placed || strings.Contains(value, secretPlace)
		headers[http.CanonicalHeaderKey(name)] = value
	}
	if placed && !c.Secret.set() {
		return errors.New("there is a place for a secret, but no secret: name its file or environment variable")
	}
	if c.Secret.set() && !placed {
		headers["Authorization"] = "Bearer " + secretPlace
	}
	c.Headers = headers
	return nil
}

// checkURL says nothing of the URL itself: all of it may be secret.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return errors.New("the URL is not of the form http://HOST/PATH or https://HOST/PATH")
	}
	return nil
}

// readRoots returns nil, the system's, without a file.
func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the certificates of whom to trust: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the file %s has no certificate in PEM form", file)
	}
	return pool, nil
}

func (w *webhook) send(ctx context.Context, m Message) (string, error) {
	secret, err := w.config.Secret.read()
	if err != nil {
		return "", err
	}
	return "", conceal(w.post(ctx, m, secret), secret)
}

func (w *webhook) post(ctx context.Context, m Message, secret string) error {
	body, err := w.shape.body(m, secret)
	if err != nil {
		return err
	}
	target := strings.ReplaceAll(w.config.URL, secretPlace, secret)
	if err := checkURL(target); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL is not one that can be asked")
	}
	request.Header.Set("Content-Type", w.config.ContentType)
	request.Header.Set("User-Agent", "Fairlead")
	request.Header.Set("Fairlead-Message", m.ID)
	for name, value := range w.config.Headers {
		request.Header.Set(name, strings.ReplaceAll(value, secretPlace, secret))
	}
	response, err := w.client.Do(request)
	if err != nil {
		return bare(err)
	}
	_ = response.Body.Close() // what it says is not needed: the status decides
	switch code := response.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		return fmt.Errorf("the answer is %d %s; redirects are not followed, name the right URL", code, http.StatusText(code))
	default:
		return fmt.Errorf("the answer is %d %s", code, http.StatusText(code))
	}
}

// bare takes the URL off an error.
func bare(err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		return withURL.Err
	}
	return err
}
