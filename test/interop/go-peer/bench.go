package main

import (
	"crypto/tls"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"strconv"
	"time"
)

const mebibyte = 1 << 20

// source is what pour sends again and again.
var source = func() []byte {
	bytes := make([]byte, mebibyte)
	keyStream(0).XORKeyStream(bytes, bytes)
	return bytes
}()

// openRawServer listens for bare TLS connections: what a stream could reach without a WebSocket. Both ends know each by
// the client's port.
func openRawServer(q request) (*pool, int, error) {
	config, err := serverTLS(q)
	if err != nil {
		return nil, 0, err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return nil, 0, err
	}
	p := newPool(q.Capacity)
	p.listener = listener
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go p.addRaw(conn.(*tls.Conn), conn.RemoteAddr())
		}
	}()
	return p, listener.Addr().(*net.TCPAddr).Port, nil
}

// openRawClient dials as many bare TLS connections as fit, once.
func openRawClient(q request) (*pool, int, error) {
	p := newPool(q.Capacity)
	for range p.capacity {
		conn, err := tls.Dial("tcp", q.Address, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
		if err != nil {
			return nil, 0, err
		}
		p.addRaw(conn, conn.LocalAddr())
	}
	return p, 0, nil
}

func (p *pool) addRaw(conn *tls.Conn, client net.Addr) {
	if !p.reserve() || conn.Handshake() != nil {
		conn.Close()
		return
	}
	p.fill(&connection{Conn: conn, id: strconv.Itoa(client.(*net.TCPAddr).Port)})
}

// pour sends bytes of the source in pieces, closes what it has to say with them, and tells when it began.
func (c *connection) pour(bytes int64, chunk int) (answer, error) {
	start := unixMilliseconds()
	for sent := int64(0); sent < bytes; sent += int64(chunk) {
		offset := sent % mebibyte
		if _, err := c.Write(source[offset : offset+int64(chunk)]); err != nil {
			return nil, err
		}
	}
	if conn, isRaw := c.Conn.(*tls.Conn); isRaw {
		if err := conn.CloseWrite(); err != nil {
			return nil, err
		}
	} else if err := c.Close(); err != nil {
		return nil, err
	}
	return answer{"at": start}, nil
}

// drain receives bytes to the end, and tells when that was; it fails unless their checksum is the one given.
func (c *connection) drain(bytes int64, sum uint32) (answer, error) {
	received, seen := int64(0), uint32(0)
	buffer := make([]byte, defaultChunk)
	for {
		n, err := c.Read(buffer)
		received += int64(n)
		seen = crc32.Update(seen, crc32.IEEETable, buffer[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	end := unixMilliseconds()
	c.Close()
	if received != bytes || seen != sum {
		return nil, fmt.Errorf("%d bytes came, of %d, or wrong ones", received, bytes)
	}
	return answer{"at": end}, nil
}

func unixMilliseconds() float64 { return float64(time.Now().UnixNano()) / float64(time.Millisecond) }
