package main

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	dialTimeout = 30 * time.Second
	idTimeout   = 60 * time.Second
)

// openClient starts a pool that keeps itself filled from a server's address.
func openClient(q request) (*pool, int, error) {
	host, _, err := net.SplitHostPort(q.Address)
	if err != nil {
		return nil, 0, err
	}
	p := newPool(q.Capacity)
	transport := &http.Transport{}
	scheme := "ws"
	if q.TLS == "1" || q.TLS == "2" {
		scheme = "wss"
		transport.TLSClientConfig = &tls.Config{
			ServerName:         host,
			MinVersion:         tls.VersionTLS13,
			InsecureSkipVerify: q.TLS == "1",
		}
	}
	dial := func() {
		if c, err := p.dial(scheme+"://"+q.Address+"/", host, &http.Client{Transport: transport}); err != nil {
			p.errors.Add(1)
			p.fill(nil)
		} else {
			p.fill(c)
		}
	}
	go p.keepFilled(dial, time.Duration(max(q.Interval, 1))*time.Millisecond)
	return p, 0, nil
}

// getsAtStart starts pools one by one, asks each for a connection at once, and tells how many gets failed.
func getsAtStart(q request) (answer, error) {
	failed := 0
	for range q.Times {
		p, _, err := openClient(q)
		if err != nil {
			return nil, err
		}
		if _, err := p.take("", q.timeout()); err != nil {
			failed++
		}
	}
	return answer{"failed": failed}, nil
}

// keepFilled dials what is missing, round by round.
func (p *pool) keepFilled(dial func(), interval time.Duration) {
	for p.ctx.Err() == nil {
		var dials sync.WaitGroup
		for p.reserve() {
			dials.Go(dial)
		}
		dials.Wait()
		select {
		case <-p.ctx.Done():
		case <-time.After(interval):
		}
	}
}

// dial opens one connection. Its ID is the first 4 bytes of the stream, in however many messages they come.
func (p *pool) dial(url, host string, client *http.Client) (*connection, error) {
	ctx, cancel := context.WithTimeout(p.ctx, dialTimeout)
	defer cancel()
	pings := &pingCount{}
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient:     client,
		Host:           host,
		OnPingReceived: pings.seen,
	})
	if err != nil {
		return nil, err
	}
	c := newConnection(p.ctx, ws, pings)
	id := make([]byte, 4)
	c.SetReadDeadline(time.Now().Add(idTimeout))
	if _, err := io.ReadFull(c, id); err != nil {
		ws.CloseNow()
		return nil, err
	}
	c.SetReadDeadline(time.Time{})
	c.id = hex.EncodeToString(id)
	return c, nil
}
