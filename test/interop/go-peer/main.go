// A Go peer for the tests: pools of WebSocket connections that do on the wire what a Go peer does, driven by lines of
// JSON. README.md one folder up describes both.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// request is one line of input; each command reads the fields that it needs.
type request struct {
	ID           int    `json:"id"`
	Do           string `json:"do"`
	Pool         int    `json:"pool"`
	Connection   int    `json:"connection"`
	ConnectionID string `json:"connectionId"`
	Timeout      int    `json:"timeout"` // milliseconds
	Times        int    `json:"times"`
	Loops        int    `json:"loops"`

	Address  string `json:"address"`
	TLS      string `json:"tls"`
	Interval int    `json:"interval"` // milliseconds
	Capacity int    `json:"capacity"`
	Host     string `json:"host"`
	Port     int    `json:"port"`
	ClientIP string `json:"clientIP"`
	Cert     string `json:"cert"`
	Key      string `json:"key"`
	Early    int    `json:"early"`
	Cork     bool   `json:"cork"`
	AtLeast  int    `json:"atLeast"`
	AtMost   *int   `json:"atMost"`

	Bytes   *int64 `json:"bytes"`
	Text    string `json:"text"`
	Seed    uint32 `json:"seed"`
	Chunk   int    `json:"chunk"`
	Send    int64  `json:"send"`
	Receive int64  `json:"receive"`
	Sum     uint32 `json:"sum"`
	Close   bool   `json:"close"`
}

func (q request) timeout() time.Duration { return time.Duration(q.Timeout) * time.Millisecond }

// answer is one line of output, beside its id.
type answer map[string]any

// peer is all that the process holds, by number.
type peer struct {
	mu          sync.Mutex
	last        int
	pools       map[int]*pool
	connections map[int]*connection
}

func main() {
	p := &peer{pools: map[int]*pool{}, connections: map[int]*connection{}}
	out := json.NewEncoder(os.Stdout)
	var writing sync.Mutex
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var q request
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			fmt.Fprintln(os.Stderr, "not a request:", err)
			os.Exit(2)
		}
		go func() {
			a, err := p.do(q)
			if err != nil {
				a = answer{"error": err.Error()}
			}
			a["id"] = q.ID
			writing.Lock()
			defer writing.Unlock()
			out.Encode(a)
		}()
	}
}

func (p *peer) do(q request) (answer, error) {
	switch q.Do {
	case "hello":
		return answer{"name": "go-peer", "library": library(), "go": runtime.Version()}, nil
	case "server", "client", "rawServer", "rawClient":
		return p.open(q)
	case "collect":
		debug.FreeOSMemory()
		return answer{}, nil
	case "getsAtStart":
		return getsAtStart(q)
	case "incomingGet", "outgoingGet", "stats", "untilActive", "churn", "tally", "flush", "close":
		return p.doPool(q)
	case "exchange", "write", "read", "end", "cut", "pour", "drain":
		return p.doConnection(q)
	}
	return nil, errors.New("unsupported")
}

func (p *peer) open(q request) (answer, error) {
	open := map[string]func(request) (*pool, int, error){
		"server": openServer, "client": openClient, "rawServer": openRawServer, "rawClient": openRawClient,
	}[q.Do]
	opened, port, err := open(q)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	p.pools[p.last] = opened
	return answer{"pool": p.last, "port": port}, nil
}

func (p *peer) doPool(q request) (answer, error) {
	p.mu.Lock()
	pool := p.pools[q.Pool]
	p.mu.Unlock()
	if pool == nil {
		return nil, fmt.Errorf("no pool %d", q.Pool)
	}
	switch q.Do {
	case "incomingGet":
		return p.hold(pool.take("", q.timeout()))
	case "outgoingGet":
		return p.hold(pool.take(q.ConnectionID, q.timeout()))
	case "untilActive":
		return answer{"active": pool.untilActive(q.AtLeast, q.AtMost, q.timeout())}, nil
	case "churn":
		return answer{}, pool.startChurn(q)
	case "tally":
		return pool.tally()
	case "flush":
		pool.flush()
	case "close":
		pool.close()
	case "stats":
		return answer{"active": pool.active(), "capacity": pool.capacity, "errorCount": pool.errors.Load()}, nil
	}
	return answer{}, nil
}

// hold gives a taken connection the number that further requests name it by.
func (p *peer) hold(c *connection, err error) (answer, error) {
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	p.connections[p.last] = c
	return answer{"connection": p.last, "connectionId": c.id}, nil
}

func (p *peer) doConnection(q request) (answer, error) {
	p.mu.Lock()
	c := p.connections[q.Connection]
	p.mu.Unlock()
	if c == nil {
		return nil, fmt.Errorf("no connection %d", q.Connection)
	}
	switch q.Do {
	case "exchange":
		return c.exchange(q), nil
	case "read":
		want := int64(-1)
		if q.Bytes != nil {
			want = *q.Bytes
		}
		ended := c.receive(want)
		return answer{"bytes": c.received, "sha256": c.sha256(), "ended": ended, "pings": c.pings.Load()}, nil
	case "write":
		if q.Bytes == nil {
			sent, err := c.say(q.Text)
			return answer{"bytes": sent}, err
		}
		sent, err := c.send(*q.Bytes, q.Seed, q.Chunk)
		return answer{"bytes": sent}, err
	case "pour":
		return c.pour(q.Send, q.Chunk)
	case "drain":
		return c.drain(q.Receive, q.Sum)
	case "end":
		return answer{}, c.Close()
	case "cut":
		return answer{}, c.cut()
	}
	return answer{}, nil
}

// library tells which WebSocket library and version speaks here.
func library() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || len(info.Deps) == 0 {
		return "unknown"
	}
	return info.Deps[0].Path + " " + info.Deps[0].Version
}
