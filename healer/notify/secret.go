package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// Secret names where a secret is: in a file or in an environment variable, or nowhere. It is read for each message, so that it can be
// changed without a restart. It is never shown.
type Secret struct {
	File, Env string
}

// maxSecret bounds what is read of a file that may be the wrong one, in bytes.
const maxSecret = 64 << 10

// String names the place, not the secret.
func (s Secret) String() string {
	switch {
	case s.File != "":
		return "file " + s.File
	case s.Env != "":
		return "environment variable " + s.Env
	}
	return ""
}

func (s Secret) set() bool { return s.File != "" || s.Env != "" }

// read returns the secret, without white space around it; "" if there is none to read.
func (s Secret) read() (string, error) {
	switch {
	case s.File != "" && s.Env != "":
		return "", errors.New("a secret is in a file or in an environment variable, not both")
	case s.Env != "":
		return s.check(os.Getenv(s.Env))
	case s.File == "":
		return "", nil
	}
	file, err := os.Open(s.File)
	if err != nil {
		return "", fmt.Errorf("reading the secret: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSecret))
	if err != nil {
		return "", fmt.Errorf("reading the secret: %w", err)
	}
	return s.check(string(text))
}

func (s Secret) check(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", fmt.Errorf("the secret in %s is empty", s)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", fmt.Errorf("the secret in %s is more than one line", s)
	}
	return text, nil
}

// conceal takes the secret out of an error, as it is, and as a URL or a quoted text has it.
func conceal(err error, secret string) error {
	if err == nil || secret == "" {
		return err
	}
	text, quoted := err.Error(), strconv.Quote(secret)
	for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), quoted[1 : len(quoted)-1]} {
		text = strings.ReplaceAll(text, form, "[secret]")
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// digest is a short name for a text.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}
