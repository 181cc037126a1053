package lab

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Client asks over one kept-alive connection, to measure when answers change. A connection that the server closed is replaced. It is for
// one goroutine; Close ends it.
type Client struct {
	// Addr is the host:port all requests go to, whatever their host.
	Addr string

	conn net.Conn
	in   *bufio.Reader
}

// answerTime is how long an answer may take.
const answerTime = 5 * time.Second

// Status returns the status that GET / gets for a host. No answer within 5 s is an error.
func (c *Client) Status(host string) (int, error) {
	status, err := c.ask(host)
	if err != nil {
		c.Close()
		return 0, fmt.Errorf("asking for %s: %w", host, err)
	}
	return status, nil
}

func (c *Client) ask(host string) (int, error) {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.Addr, answerTime)
		if err != nil {
			return 0, err
		}
		c.conn, c.in = conn, bufio.NewReader(conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(c.conn, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, err
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, err
	}
	if resp.Close {
		c.Close()
	}
	return resp.StatusCode, nil
}

// Close ends the connection.
func (c *Client) Close() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing is on its way
		c.conn = nil
	}
}
