package main

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// pool keeps the connections that nobody has taken: by ID, oldest first. It reads none of them.
type pool struct {
	capacity int
	ctx      context.Context
	cancel   context.CancelFunc
	listener net.Listener // nil in a client
	errors   atomic.Int64
	wanted   chan struct{} // nil unless hand-shakes wait until somebody asks for any connection

	mu      sync.Mutex
	idle    map[string]*connection
	order   []string      // the IDs of idle, oldest first
	pending int           // slots of those whose hand-shake is under way
	changed chan struct{} // closed and replaced at each change
	churn   *churn        // nil unless a benchmark runs on it
}

func newPool(capacity int) *pool {
	ctx, cancel := context.WithCancel(context.Background())
	return &pool{
		capacity: max(capacity, 1),
		ctx:      ctx,
		cancel:   cancel,
		idle:     map[string]*connection{},
		changed:  make(chan struct{}),
	}
}

// reserve takes a slot for a hand-shake, or says that there is none.
func (p *pool) reserve() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil || len(p.order)+p.pending >= p.capacity {
		return false
	}
	p.pending++
	return true
}

// fill ends a reservation: with a connection, which is idle from now on, or with nil.
func (p *pool) fill(c *connection) {
	p.mu.Lock()
	p.pending--
	isLate := p.ctx.Err() != nil
	if c != nil && !isLate {
		p.remove(c.id) // the newest bearer of an ID wins
		p.idle[c.id] = c
		p.order = append(p.order, c.id)
	}
	p.signal()
	p.mu.Unlock()
	if c != nil && isLate {
		c.cut()
	}
}

// take waits for the connection of an ID, or for the oldest one if the ID is empty.
func (p *pool) take(id string, timeout time.Duration) (*connection, error) {
	expired := time.After(timeout)
	if id == "" && p.wanted != nil {
		select {
		case p.wanted <- struct{}{}:
		case <-expired:
			return nil, errors.New("no hand-shake in time")
		}
	}
	for {
		p.mu.Lock()
		key := id
		if id == "" && len(p.order) > 0 {
			key = p.order[0]
		}
		c := p.remove(key)
		if c != nil {
			p.signal()
		}
		changed := p.changed
		p.mu.Unlock()
		if c != nil {
			return c, nil
		}
		select {
		case <-changed:
		case <-expired:
			return nil, errors.New("no connection in time")
		case <-p.ctx.Done():
			return nil, errors.New("the pool is closed")
		}
	}
}

// untilActive waits until the number of idle connections is within bounds, and returns it.
func (p *pool) untilActive(atLeast int, atMost *int, timeout time.Duration) int {
	expired := time.After(timeout)
	for {
		p.mu.Lock()
		active, changed := len(p.order), p.changed
		p.mu.Unlock()
		if active >= atLeast && (atMost == nil || active <= *atMost) {
			return active
		}
		select {
		case <-changed:
		case <-expired:
			return active
		}
	}
}

func (p *pool) active() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.order)
}

// flush closes the idle connections, and waits as long as their peers take to answer: 5 s at most.
func (p *pool) flush() {
	p.mu.Lock()
	parting := p.idle
	p.idle, p.order = map[string]*connection{}, nil
	p.signal()
	p.mu.Unlock()
	var all sync.WaitGroup
	for _, c := range parting {
		all.Go(func() { c.Close() })
	}
	all.Wait()
}

// close closes the idle connections and the listener, and cuts what is in use.
func (p *pool) close() {
	if p.listener != nil {
		p.listener.Close()
	}
	p.flush()
	p.cancel()
	p.flush()
}

// remove takes a connection out of the books; the caller holds the lock.
func (p *pool) remove(id string) *connection {
	c := p.idle[id]
	if c == nil {
		return nil
	}
	delete(p.idle, id)
	for i, other := range p.order {
		if other == id {
			p.order = append(p.order[:i:i], p.order[i+1:]...)
			break
		}
	}
	return c
}

func (p *pool) signal() {
	close(p.changed)
	p.changed = make(chan struct{})
}
