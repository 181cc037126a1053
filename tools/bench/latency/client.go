package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// client asks over one kept-alive connection. A connection that the server closed is replaced.
type client struct {
	addr string
	conn net.Conn
	in   *bufio.Reader
}

// answerTime is how long an answer may take.
const answerTime = 5 * time.Second

// status returns the status that host gets.
func (c *client) status(host string) (int, error) {
	status, err := c.ask(host)
	if err != nil {
		c.close()
		return 0, fmt.Errorf("asking for %s: %w", host, err)
	}
	return status, nil
}

func (c *client) ask(host string) (int, error) {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.addr, answerTime)
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
		c.close()
	}
	return resp.StatusCode, nil
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing is on its way
		c.conn = nil
	}
}
