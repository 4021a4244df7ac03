package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"io"
	"net"
	"sync/atomic"

	"github.com/coder/websocket"
)

const defaultChunk = 64 * 1024

// connection is one WebSocket as a stream of bytes, with a running account of what it received.
type connection struct {
	net.Conn
	ws       *websocket.Conn // nil on a bare TLS connection
	id       string
	received int64
	hash     hash.Hash
	pings    *pingCount
}

func newConnection(ctx context.Context, ws *websocket.Conn, pings *pingCount) *connection {
	stream := websocket.NetConn(ctx, ws, websocket.MessageBinary)
	return &connection{Conn: stream, ws: ws, hash: sha256.New(), pings: pings}
}

// cut closes without a close frame.
func (c *connection) cut() error {
	if c.ws == nil {
		return c.Conn.Close()
	}
	return c.ws.CloseNow()
}

// pingCount counts the pings that were read. Those that came while the connection was idle are read when it is taken.
type pingCount struct{ atomic.Int64 }

func (n *pingCount) seen(context.Context, []byte) bool {
	n.Add(1)
	return true // answer it
}

// exchange sends and receives at once. Who closes does so when it has all that it was promised; the other reads on
// until the end.
func (c *connection) exchange(q request) answer {
	type result struct {
		sent int64
		err  error
	}
	written := make(chan result, 1)
	go func() {
		sent, err := c.send(q.Send, q.Seed, q.Chunk)
		written <- result{sent, err}
	}()
	want := int64(-1)
	if q.Close {
		want = q.Receive
	}
	ended := c.receive(want)
	out := <-written
	a := answer{"sent": out.sent, "bytes": c.received, "sha256": c.sha256(), "ended": ended, "pings": c.pings.Load()}
	if out.err != nil {
		a["sendError"] = out.err.Error()
	}
	// A peer that has seen the end closes its own side too; the close hand-shake is over by then.
	if err := c.Close(); err != nil && q.Close {
		a["closeError"] = err.Error()
	}
	return a
}

// keyStream is that of AES-128-CTR with a counter of zeros and a key that ends with the seed.
func keyStream(seed uint32) cipher.Stream {
	key := make([]byte, 16)
	binary.BigEndian.PutUint32(key[12:], seed)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // not with a key of 16 bytes
	}
	return cipher.NewCTR(block, make([]byte, 16))
}

// send writes bytes that follow from the seed: the key stream of AES-128-CTR whose key ends with the seed.
func (c *connection) send(count int64, seed uint32, chunk int) (sent int64, err error) {
	if chunk <= 0 {
		chunk = defaultChunk
	}
	stream := keyStream(seed)
	buffer := make([]byte, min(int64(chunk), count))
	for sent < count {
		part := buffer[:min(int64(len(buffer)), count-sent)]
		clear(part)
		stream.XORKeyStream(part, part)
		if _, err := c.Write(part); err != nil {
			return sent, err
		}
		sent += int64(len(part))
	}
	return sent, nil
}

// receive reads at least this many bytes more, or to the end if negative, and tells how it ended: "" if it did not.
func (c *connection) receive(want int64) string {
	buffer := make([]byte, defaultChunk)
	for want != 0 {
		n, err := c.Read(buffer)
		if err != nil {
			// Of a frame that is cut off, coder/websocket v1.8.14 returns what it has still masked.
			n = 0
		}
		c.hash.Write(buffer[:n])
		c.received += int64(n)
		if want > 0 {
			want = max(want-int64(n), 0)
		}
		// An end without a close frame wraps io.EOF: only the bare one is clean.
		if err == io.EOF {
			return "eof"
		}
		if err != nil {
			return err.Error()
		}
	}
	return ""
}

// say writes one message of text.
func (c *connection) say(text string) (int64, error) {
	n, err := c.Write([]byte(text))
	return int64(n), err
}

// sha256 is that of all bytes received so far.
func (c *connection) sha256() string { return hex.EncodeToString(c.hash.Sum(nil)) }
