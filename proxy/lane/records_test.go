package lane

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// The ends of records are found, however the bytes come.
func TestRecords(t *testing.T) {
	dice := rand.New(rand.NewPCG(3, 4))
	var stream []byte
	ends := map[int]uint64{0: 0} // by place in the stream, how many have ended
	for n := range uint64(200) {
		body := bytes.Repeat([]byte{0x17}, dice.IntN(300)*dice.IntN(2))
		stream = append(stream, 0x17, 3, 3, byte(len(body)>>8), byte(len(body)))
		stream = append(stream, body...)
		ends[len(stream)] = n + 1
	}
	for most := 1; most < 700; most += 1 + most/8 {
		var r records
		for at, ended := 0, uint64(0); at < len(stream); {
			n := min(1+dice.IntN(most), len(stream)-at)
			r.follow(stream[at : at+n])
			for end := at + n; at < end; {
				at++
				ended = max(ended, ends[at])
			}
			if r.ended != ended {
				t.Fatalf("after %d bytes, in pieces of up to %d: %d records, want %d", at, most, r.ended, ended)
			}
		}
	}
}
