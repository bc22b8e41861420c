package observer

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	// clientPause is between two requests of the client.
	clientPause = time.Millisecond
	// clientLimit is for a request. It is longer than any way back should take.
	clientLimit = 10 * time.Second
)

// client asks again and again, and tells when somebody else answers.
type client struct {
	*observer
	last string // the server that answered last, "" after a failure
}

func (c *client) run(ctx context.Context) {
	c.last = c.account.Server
	tick := time.NewTicker(clientPause)
	defer tick.Stop()
	for ctx.Err() == nil {
		server, err := c.ask()
		switch {
		case err != nil:
			c.tell(Failed, "", 0, err.Error())
		case server != c.last:
			c.tell(Answer, "", 0, server)
		}
		c.last = server
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// ask makes one request and returns who has answered it.
func (c *client) ask() (server string, err error) {
	conn, err := net.DialTimeout("unix", c.Socket, clientLimit)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(clientLimit)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		return "", err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %s", answer.Status)
	}
	return answer.Header.Get("Server"), nil
}
