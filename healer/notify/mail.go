package notify

import (
	"bytes"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"
)

// maxSubject bounds what a subject says of a service, in bytes.
const maxSubject = 100

// compose writes the mail (RFC 5322). Texts come from anywhere: none of them gets into a header as it is.
func (e *email) compose(m Message) []byte {
	var mail bytes.Buffer
	to := make([]string, len(e.to))
	for i, address := range e.to {
		to[i] = address.String()
	}
	for _, header := range []struct{ name, value string }{
		{"From", e.from.String()},
		{"To", strings.Join(to, ",\r\n ")},
		{"Subject", mime.QEncoding.Encode("utf-8", subject(m))},
		{"Date", m.At.Format(time.RFC1123Z)},
		{"Message-ID", "<" + digest(m.ID) + "@" + e.self + ">"},
		{"References", "<" + digest(m.Key+m.Since.UTC().String()) + ".matter@" + e.self + ">"}, // one thread for each matter
		{"Auto-Submitted", "auto-generated"},                                                   // RFC 3834
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&mail, "%s: %s\r\n", header.name, header.value)
	}
	mail.WriteString("\r\n")
	body := quotedprintable.NewWriter(&mail)
	_, _ = body.Write([]byte(letter(m))) // a buffer takes everything
	_ = body.Close()
	return mail.Bytes()
}

func subject(m Message) string {
	words := []string{"[Fairlead]", title(m), m.Service, m.Cluster}
	return shorten(strings.Join(strings.Fields(strings.Join(words, " ")), " "), maxSubject)
}

// title is the event in words, with what the kind adds to it.
func title(m Message) string {
	event := strings.ReplaceAll(string(m.Event), "_", " ")
	switch {
	case m.Resolved && m.Event != "healed":
		return "over: " + event
	case m.Kind == Repeat:
		return "still " + event
	}
	return event
}

func letter(m Message) string {
	var text strings.Builder
	text.WriteString(m.Text + "\n\n")
	for _, line := range []struct{ name, value string }{
		{"Event", title(m)}, {"Cluster", m.Cluster}, {"Service", m.Service}, {"Since", m.Since.Format(time.RFC3339)},
		{"Written", m.At.Format(time.RFC3339)}, {"Key", m.Key}, {"ID", m.ID},
	} {
		if line.value != "" {
			fmt.Fprintf(&text, "%-8s %s\n", line.name+":", line.value)
		}
	}
	return text.String()
}
