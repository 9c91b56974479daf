package client

import (
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/proto/inference"
)

// poolIdle is how long a connection is kept that nobody asks for.
const poolIdle = 10 * time.Minute

// Pool keeps one connection per endpoint. It is safe for concurrent use.
type Pool struct {
	dialer oip.Dialer
	mu     sync.Mutex
	conns  map[string]*pooled // nil once closed
}

type pooled struct {
	conn *grpc.ClientConn
	used time.Time
}

// NewPool returns an empty pool.
func NewPool(dialer oip.Dialer) *Pool {
	return &Pool{dialer: dialer, conns: map[string]*pooled{}}
}

// Service returns the inference service at an endpoint, over the connection kept for it. An endpoint that announces
// another key is another endpoint.
func (p *Pool) Service(e metagraph.Endpoint) (inference.GRPCInferenceServiceClient, error) {
	conn, err := p.conn(poolKey(e), e)
	if err != nil {
		return nil, err
	}
	return inference.NewGRPCInferenceServiceClient(conn), nil
}

func poolKey(e metagraph.Endpoint) string { return e.Address() + "|" + string(e.TLSKeyHash) }

// conn returns the connection kept for an endpoint.
func (p *Pool) conn(key string, e metagraph.Endpoint) (*grpc.ClientConn, error) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		return nil, ErrClosed
	}
	p.prune(now)
	known := p.conns[key]
	if known == nil {
		conn, err := p.dialer.Dial(oip.Endpoint{Address: e.Address(), TLSKeyHash: e.TLSKeyHash})
		if err != nil {
			return nil, err
		}
		known = &pooled{conn: conn}
		p.conns[key] = known
	}
	known.used = now
	return known.conn, nil
}

// prune closes what nobody asked for in a long time.
func (p *Pool) prune(now time.Time) {
	for key, c := range p.conns {
		if now.Sub(c.used) > poolIdle {
			c.conn.Close()
			delete(p.conns, key)
		}
	}
}

// Close closes all connections.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.conn.Close()
	}
	p.conns = nil
}
