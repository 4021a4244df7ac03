package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// server names the connections that come to its pool.
type server struct {
	*pool
	clientIP string
	early    int
	cork     bool
	first    atomic.Bool
}

type corkKey struct{}

// openServer listens, on this machine alone unless told otherwise, and returns on which port.
func openServer(q request) (*pool, int, error) {
	host := q.Host
	if host == "" {
		host = "127.0.0.1"
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(q.Port)))
	if err != nil {
		return nil, 0, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener = corkListener{listener}
	if q.Cert != "" {
		config, err := serverTLS(q)
		if err != nil {
			return nil, 0, err
		}
		listener = tls.NewListener(listener, config)
	}
	s := &server{pool: newPool(q.Capacity), clientIP: q.ClientIP, early: q.Early, cork: q.Cork}
	s.listener = listener
	if s.early > 0 {
		s.wanted = make(chan struct{})
	}
	serve := &http.Server{
		Handler:           http.HandlerFunc(s.accept),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			if secure, ok := conn.(*tls.Conn); ok {
				conn = secure.NetConn()
			}
			return context.WithValue(ctx, corkKey{}, conn)
		},
	}
	go serve.Serve(listener)
	return s.pool, port, nil
}

// serverTLS is how a server speaks TLS.
func serverTLS(q request) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(q.Cert, q.Key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}, nil
}

func (s *server) accept(w http.ResponseWriter, r *http.Request) {
	if !s.reserve() {
		http.Error(w, "pool full", http.StatusServiceUnavailable)
		return
	}
	var accepted *connection
	defer func() { s.fill(accepted) }()
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	if s.clientIP != "" && host != s.clientIP {
		http.Error(w, "unauthorized", http.StatusForbidden)
		return
	}
	if s.wanted != nil {
		select {
		case <-s.wanted:
		case <-r.Context().Done():
			return
		case <-s.ctx.Done():
			return
		}
	}
	if s.cork {
		corked := r.Context().Value(corkKey{}).(*corkConn)
		corked.hold()
		defer corked.release() // before the reservation is filled: the client knows the ID first
	}
	pings := &pingCount{}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true,
		OnPingReceived:     pings.seen,
	})
	if err != nil {
		return
	}
	c := newConnection(s.ctx, ws, pings)
	id := s.nextID()
	c.id = hex.EncodeToString(id)
	if _, err := c.Write(id); err != nil {
		ws.CloseNow()
		return
	}
	// What follows the ID at once is seeded by the ID, as both ends know that.
	seed := uint32(id[0])<<24 | uint32(id[1])<<16 | uint32(id[2])<<8 | uint32(id[3])
	if _, err := c.send(int64(s.early), seed, 0); err != nil {
		ws.CloseNow()
		return
	}
	accepted = c
}

// nextID returns the control connection's ID once and random ones from then on.
func (s *server) nextID() []byte {
	id := make([]byte, 4)
	if s.first.Swap(true) {
		rand.Read(id)
	}
	return id
}
