package main

import (
	"net"
	"sync"
)

// corkListener makes connections whose writes can be held back.
type corkListener struct{ net.Listener }

func (l corkListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &corkConn{Conn: conn}, nil
}

// corkConn puts all that is written between hold and release into one write: the 101, the ID and the bytes behind it
// then share a segment.
type corkConn struct {
	net.Conn
	mu     sync.Mutex
	isHeld bool
	held   []byte
}

func (c *corkConn) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isHeld = true
}

func (c *corkConn) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isHeld = false
	c.Conn.Write(c.held)
	c.held = nil
}

func (c *corkConn) Write(bytes []byte) (int, error) {
	c.mu.Lock()
	if !c.isHeld {
		c.mu.Unlock()
		return c.Conn.Write(bytes)
	}
	defer c.mu.Unlock()
	c.held = append(c.held, bytes...)
	return len(bytes), nil
}
