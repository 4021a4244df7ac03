package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

const controlID = "00000000"

// churn counts the uses that loops make of a pool: take, send and receive the same, close, again.
type churn struct {
	*pool
	timeout time.Duration
	taken   chan []byte // IDs for the client

	mu    sync.Mutex
	since time.Time
	uses  int
	waits []time.Duration
	err   error // the first one: it spoils the run
}

// startChurn takes the control connection and sets the loops of a server going, or has a client follow them.
func (p *pool) startChurn(q request) error {
	control, err := p.take(controlID, q.timeout())
	if err != nil {
		return err
	}
	c := &churn{pool: p, timeout: q.timeout(), taken: make(chan []byte, q.Loops), since: time.Now()}
	p.mu.Lock()
	p.churn = c
	p.mu.Unlock()
	if p.listener == nil {
		go c.follow(control)
		return nil
	}
	if q.Bytes == nil || *q.Bytes < 4 {
		return errors.New("bytes: at least 4")
	}
	go c.tell(control)
	for i := range q.Loops {
		message := bytes.Repeat([]byte(fmt.Sprintf("loop %d ", i)), int(*q.Bytes))[:*q.Bytes]
		go c.loop(message)
	}
	return nil
}

// tally tells what was done since the last one.
func (p *pool) tally() (answer, error) {
	p.mu.Lock()
	c := p.churn
	p.mu.Unlock()
	if c == nil {
		return nil, errors.New("nothing runs on this pool")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	if failed := c.errors.Load(); failed > 0 {
		return nil, fmt.Errorf("%d dials failed", failed)
	}
	now := time.Now()
	a := answer{"uses": c.uses, "milliseconds": milliseconds(now.Sub(c.since)), "wait": milliseconds(p99(c.waits))}
	c.uses, c.waits, c.since = 0, nil, now
	return a, nil
}

// loop uses one connection after another until the pool is closed.
func (c *churn) loop(message []byte) {
	received := make([]byte, len(message))
	for c.ctx.Err() == nil {
		if err := c.use(message, received); err != nil {
			c.fail(err)
			return
		}
	}
}

// tell tells the client which connections were taken, as many at once as wait.
func (c *churn) tell(control *connection) {
	for {
		var ids []byte
		select {
		case ids = <-c.taken:
		case <-c.ctx.Done():
			return
		}
		for range len(c.taken) {
			ids = append(ids, <-c.taken...)
		}
		if _, err := control.Write(ids); err != nil {
			c.fail(err)
			return
		}
	}
}

// use takes a connection and tells the client which, sends the message, receives it back and closes.
func (c *churn) use(message, received []byte) error {
	start := time.Now()
	taken, err := c.take("", c.timeout)
	if err != nil {
		return err
	}
	wait := time.Since(start)
	id, _ := hex.DecodeString(taken.id)
	c.taken <- id
	copy(message, id) // no two uses say the same: what got from one into another would show
	if _, err := taken.Write(message); err != nil {
		return err
	}
	if _, err := io.ReadFull(taken, received); err != nil {
		return err
	}
	if !bytes.Equal(received, message) {
		return fmt.Errorf("connection %s: other bytes came back", taken.id)
	}
	if err := taken.Close(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses++
	c.waits = append(c.waits, wait)
	return nil
}

// follow takes whatever the server has taken, and sends back what comes.
func (c *churn) follow(control *connection) {
	id := make([]byte, 4)
	for {
		if _, err := io.ReadFull(control, id); err != nil {
			c.fail(err)
			return
		}
		go c.echo(hex.EncodeToString(id))
	}
}

func (c *churn) echo(id string) {
	taken, err := c.take(id, c.timeout)
	if err != nil {
		c.fail(err)
		return
	}
	if _, err := io.Copy(taken, taken); err != nil {
		c.fail(err)
	}
	taken.Close()
}

// fail keeps the first error that the end of the pool does not explain.
func (c *churn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && c.ctx.Err() == nil {
		c.err = err
	}
}

func p99(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)*99/100]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
