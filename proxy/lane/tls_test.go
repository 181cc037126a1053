package lane_test

import (
	"crypto/md5"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/lane"
	"github.com/fairlead/fairlead/tools/lab"
)

// certificate is one that nobody has to trust.
func certificate(t testing.TB) []tls.Certificate {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.TLS.Certificates
}

// ciphered opens a listener whose TLS connections, with below under each, are given to serve after their handshake.
func ciphered(t testing.TB, version uint16, below func(net.Conn) net.Conn, serve func(*tls.Conn)) string {
	config := &tls.Config{Certificates: certificate(t), MaxVersion: version}
	return lab.Accept(t, func(c net.Conn) {
		secured := tls.Server(below(c), config)
		secured.SetDeadline(time.Now().Add(10 * time.Second))
		if secured.Handshake() != nil {
			secured.Close()
			return
		}
		secured.SetDeadline(time.Time{})
		serve(secured)
	})
}

func bare(c net.Conn) net.Conn  { return c }
func cable(c net.Conn) net.Conn { return &lane.Cable{Conn: c} }

func init() {
	for name, of := range map[string]struct {
		version uint16
		below   func(net.Conn) net.Conn
	}{
		"portable, TLS 1.3":             {tls.VersionTLS13, bare},
		"portable, TLS 1.2":             {tls.VersionTLS12, bare},
		"portable, TLS 1.3 and a cable": {tls.VersionTLS13, cable},
	} {
		others[name] = func(t testing.TB, l *lane.Listener) string {
			return ciphered(t, of.version, of.below, func(c *tls.Conn) { l.Serve(c) })
		}
	}
}

func secure(t testing.TB, d *door) (*lab.TLSClient, *wire) {
	t.Helper()
	c := lab.DialTLS(t, d.addr, &tls.Config{InsecureSkipVerify: true, ServerName: domain})
	return c, newWire(c)
}

// secureOver does the handshake over a connection, which lasts so long at most.
func secureOver(t *testing.T, below net.Conn, d time.Duration) *wire {
	t.Helper()
	c := tls.Client(below, &tls.Config{InsecureSkipVerify: true, ServerName: domain})
	c.SetDeadline(time.Now().Add(d))
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return newWire(c)
}

func onEachTLS(t *testing.T, test func(t *testing.T, engine string)) {
	for engine := range others {
		if !strings.Contains(engine, "TLS") {
			continue
		}
		t.Run(engine, func(t *testing.T) { test(t, engine) })
	}
}

func TestRequestsAreServedByTLS(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 5<<16) // 5 MiB
	onEachTLS(t, func(t *testing.T, engine string) {
		d := newDoor(t, engine, nil, []string{scripted(t, func(c *wire) { echo(c, big) })})
		c, w := secure(t, d)
		for range 5 {
			w.send(t, getRequest)
			w.served(t)
		}
		w.send(t, strings.Repeat(getRequest, 20)) // in one record
		for range 20 {
			w.served(t)
		}
		for range 2 {
			w.send(t, "GET /big HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
			if _, body := w.answer(t, "GET"); body != big {
				t.Fatalf("%d bytes came", len(body))
			}
			go io.WriteString(c, fmt.Sprintf("POST /sum HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: %d\r\n\r\n%s", len(big), big))
			if _, body := w.answer(t, "POST"); body != fmt.Sprintf("%x", md5.Sum([]byte(big))) {
				t.Fatalf("the member got something else: %s", body)
			}
		}
		r := next(t, d.ended)
		if !r.Secure || r.SNI != domain {
			t.Errorf("noted as %t %q", r.Secure, r.SNI)
		}
		// The end is said, so that it cannot be mistaken for a cut.
		w.send(t, "GET / HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n")
		w.served(t)
		if err := c.AwaitEnd(); err != nil {
			t.Errorf("the connection: %v", err)
		}
	})
}

// A client sends its records byte by byte: nothing of a part may be lost between two reads.
func TestTLSByteByByte(t *testing.T) {
	onEachTLS(t, func(t *testing.T, engine string) {
		d := newDoor(t, engine, nil, []string{answering(t, okResponse)})
		slow := &bytewise{Conn: d.dial(t).Conn}
		w := secureOver(t, slow, 20*time.Second)
		slow.on = true
		for range 3 {
			w.send(t, getRequest)
			w.served(t)
		}
	})
}

// A client sends many records in pieces that care for no record: parts, several, and the end of one with the start of another. Each
// request is answered, although nothing comes behind the last one.
func TestTLSInPieces(t *testing.T) {
	onEachTLS(t, func(t *testing.T, engine string) {
		d := newDoor(t, engine, nil, []string{answering(t, okResponse)})
		pieces := &piecewise{Conn: d.dial(t).Conn}
		w, dice := secureOver(t, pieces, time.Minute), rand.New(rand.NewPCG(1, 2))
		pieces.gathers = true
		for range 100 {
			count := 1 + dice.IntN(4)
			for range count {
				for rest := getRequest; rest != ""; {
					n := min(len(rest), 1+dice.IntN(2*len(getRequest)))
					w.send(t, rest[:n])
					rest = rest[n:]
				}
			}
			sent := make(chan error, 1)
			go func() { sent <- pieces.flush(dice) }()
			for range count {
				w.served(t)
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		}
	})
}

// piecewise gathers what is written until it is flushed in pieces of any size.
type piecewise struct {
	net.Conn
	gathers  bool
	gathered []byte
}

func (c *piecewise) Write(p []byte) (int, error) {
	if !c.gathers {
		return c.Conn.Write(p)
	}
	c.gathered = append(c.gathered, p...)
	return len(p), nil
}

func (c *piecewise) flush(dice *rand.Rand) error {
	for len(c.gathered) > 0 {
		n := min(len(c.gathered), 1+dice.IntN(200))
		if _, err := c.Conn.Write(c.gathered[:n]); err != nil {
			return err
		}
		c.gathered = c.gathered[n:]
		time.Sleep(time.Duration(dice.IntN(500)) * time.Microsecond)
	}
	return nil
}

// bytewise writes a byte at a time.
type bytewise struct {
	net.Conn
	on bool
}

func (c *bytewise) Write(p []byte) (int, error) {
	if !c.on {
		return c.Conn.Write(p)
	}
	for i := range p {
		if _, err := c.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
		time.Sleep(200 * time.Microsecond)
	}
	return len(p), nil
}

// What is handed over is the TLS connection again, which reads and writes as ever, where the next bytes are.
func TestTLSIsHandedOver(t *testing.T) {
	onEachTLS(t, func(t *testing.T, engine string) {
		d := newDoor(t, engine, nil, []string{answering(t, okResponse)})
		_, w := secure(t, d)
		w.send(t, getRequest)
		w.served(t)
		const other = "GET / HTTP/1.1\r\nHost: other.example.com\r\n\r\n"
		w.send(t, getRequest+other+"and more")
		w.served(t)
		h := next(t, d.handed)
		if _, ok := h.Conn.(*tls.Conn); !ok {
			t.Fatalf("handed over as a %T", h.Conn)
		}
		h.SetDeadline(time.Now().Add(10 * time.Second))
		rest := make([]byte, len(other)+len("and more")-len(h.unread))
		if _, err := io.ReadFull(h, rest); err != nil || h.unread+string(rest) != other+"and more" {
			t.Errorf("unread are %q and %q, %v", h.unread, rest, err)
		}
		rest = make([]byte, 5)
		w.send(t, "later")
		if _, err := io.ReadFull(h, rest); err != nil || string(rest) != "later" {
			t.Errorf("then came %q, %v", rest, err)
		}
		io.WriteString(h, "back")
		if _, err := io.ReadFull(w, rest[:4]); err != nil || string(rest[:4]) != "back" {
			t.Errorf("the client got %q, %v", rest[:4], err)
		}
		h.Close()
		w.ended(t)
	})
}

// What is idle is told the end when the listener drains; a request under way is answered first.
func TestTLSIsDrained(t *testing.T) {
	onEachTLS(t, func(t *testing.T, engine string) {
		begun, release := make(chan struct{}), make(chan struct{})
		d := newDoor(t, engine, nil, []string{scripted(t, func(c *wire) {
			for target := c.target(); target != ""; target = c.target() {
				if target == "/slow" {
					close(begun)
					<-release
				}
				io.WriteString(c.Conn, okResponse)
			}
		})})
		fresh, _ := secure(t, d)
		idle, w := secure(t, d)
		w.send(t, getRequest)
		w.served(t)
		busy, slow := secure(t, d)
		slow.send(t, "GET /slow HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
		next(t, begun)
		eventually(t, func() string {
			if n := d.listener.Connections(); n != 3 {
				return fmt.Sprintf("%d connections", n)
			}
			return ""
		})
		go d.listener.Drain(t.Context())
		for _, c := range []*lab.TLSClient{fresh, idle} {
			if err := c.AwaitEnd(); err != nil {
				t.Errorf("an idle connection: %v", err)
			}
		}
		close(release)
		if resp, body := slow.answer(t, "GET"); body != "ok" || !resp.Close {
			t.Errorf("the request under way: %q, close %t", body, resp.Close)
		}
		if err := busy.AwaitEnd(); err != nil {
			t.Errorf("its connection: %v", err)
		}
	})
}

// A response that its member breaks off ends without TLS saying that this is the end.
func TestTLSIsCut(t *testing.T) {
	onEachTLS(t, func(t *testing.T, engine string) {
		release := make(chan struct{})
		d := newDoor(t, engine, nil, []string{scripted(t, func(c *wire) {
			c.head()
			io.WriteString(c.Conn, "HTTP/1.1 200 OK\r\n\r\nhello")
			<-release
			c.reset()
		})})
		_, w := secure(t, d)
		w.send(t, getRequest)
		resp, err := http.ReadResponse(w.Reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		close(release)
		if _, err := io.Copy(io.Discard, w); err == nil {
			t.Error("the connection came to a proper end")
		}
	})
}

// TestTemporaryErrorsOfTLS holds crypto/tls to what loops rely on: that a temporary error of the connection below is passed on, is held
// against nothing, and loses no byte of a record that has come in part.
func TestTemporaryErrorsOfTLS(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		near, far := net.Pipe()
		flaky := &reluctant{Conn: far}
		server := tls.Server(flaky, &tls.Config{Certificates: certificate(t), MaxVersion: version})
		client := tls.Client(near, &tls.Config{InsecureSkipVerify: true})
		go client.Handshake()
		if err := server.Handshake(); err != nil {
			t.Fatal(err)
		}
		flaky.on = true
		go func() {
			io.WriteString(client, "hello, ")
			io.WriteString(client, "world")
		}()
		got, errors := "", 0
		for buf := make([]byte, 100); len(got) < 12; {
			n, err := server.Read(buf)
			got += string(buf[:n])
			if err == nil {
				continue
			}
			if err != error(temporary{}) {
				t.Fatalf("%x: after %q: %v", version, got, err)
			}
			errors++
		}
		if got != "hello, world" || errors < 40 {
			t.Errorf("%x: got %q with %d errors in between", version, got, errors)
		}
		near.Close()
		far.Close()
	}
}

// reluctant reads a byte at a time, and fails before each.
type reluctant struct {
	net.Conn
	on, failed bool
}

func (c *reluctant) Read(p []byte) (int, error) {
	if !c.on {
		return c.Conn.Read(p)
	}
	if c.failed = !c.failed; c.failed {
		return 0, temporary{}
	}
	return c.Conn.Read(p[:1])
}

type temporary struct{}

func (temporary) Error() string   { return "nothing yet" }
func (temporary) Timeout() bool   { return false }
func (temporary) Temporary() bool { return true }

var _ net.Error = temporary{}
