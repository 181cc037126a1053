package notify

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fairlead/fairlead/healer"
)

// Kind says why a message is sent.
type Kind string

// The kinds. A First begins a matter, an Update says it anew with other words, a Repeat reminds of it, and Over ends it.
const (
	First  Kind = "first"
	Update Kind = "update"
	Repeat Kind = "repeat"
	Over   Kind = "over"
)

// Dropped is the event of notices about a receiver that messages to it were dropped.
const Dropped healer.Event = "dropped"

// Message is what a receiver gets, and what templates see.
type Message struct {
	healer.Notice
	// ID is the message's own. One that comes twice has the same ID.
	ID   string `json:"id"`
	Kind Kind   `json:"kind"`
	// At is when the message was queued; of the last message, when the matter ended.
	At time.Time `json:"at"`
}

// entry is a message in a queue.
type entry struct {
	Message
	// Episode is the ID of the matter's first message: a matter that comes back is another episode.
	Episode string `json:"episode"`

	attempts int
	next     time.Time // not tried again before
	inFlight bool      // being sent: it stays as it is
}

// size is what counts against the bound of a queue, in bytes: names and text, and about what is around them in a file.
func (e *entry) size() int {
	return len(e.Key) + len(e.Cluster) + len(e.Service) + len(e.Text) + entryOverhead
}

const entryOverhead = 256

// maxText bounds a notice's text in bytes, so that one cannot fill a queue.
const maxText = 16 << 10

const cutMark = " … (cut)"

// tidy makes a notice fit to be kept and sent.
func tidy(n healer.Notice) healer.Notice {
	n.Text = strings.ToValidUTF8(n.Text, "\uFFFD")
	n.Text = shorten(n.Text, maxText)
	return n
}

// shorten cuts text to at most size bytes between two characters, and says that it did.
func shorten(text string, size int) string {
	if len(text) <= size {
		return text
	}
	end := max(0, size-len(cutMark))
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + cutMark
}
