package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/gateway/keys"
)

// network is what a gateway needs of a client.
type network interface {
	Infer(ctx context.Context, req client.Request) (*client.Answer, error)
	Miners(ctx context.Context, netuid uint32) ([]metagraph.Neuron, error)
	Health(ctx context.Context, netuid uint32) ([]client.Health, error)
}

// Gateway answers programs with what miners answer. Close it when it has served.
type Gateway struct {
	cfg          Config
	network      network
	pool         *client.Pool // for questions about models; calls go over the client's own connections
	wallet       *wallet.Wallet
	attempts     int
	maxPrice     uint64
	close        func()
	door         *door
	metrics      *metrics
	descriptions descriptions
	started      time.Time

	mu      sync.Mutex
	pending map[string]*pending // requests by the tag of their calls
}

// New returns a gateway to the miners that a directory lists, which are called as options say. Where options hold a
// wallet they must bound what a call may cost: MaxPrice.
func New(directory client.Directory, options client.Options, cfg Config) (*Gateway, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	if options.Wallet != nil && options.MaxPrice == 0 {
		return nil, fmt.Errorf("gateway: say what one call may cost at most: budgets cannot be kept otherwise")
	}
	if cfg.Open != nil {
		open := *cfg.Open
		open.ID, open.Name = openID, openID
		cfg.Open = &open
	}
	if options.Attempts <= 0 {
		options.Attempts = defaultAttempts
	}
	g := &Gateway{cfg: cfg, pool: client.NewPool(options.Dialer), wallet: options.Wallet, attempts: options.Attempts,
		maxPrice: options.MaxPrice, metrics: newMetrics(), started: time.Now(), pending: map[string]*pending{},
		descriptions: descriptions{ttl: cfg.DescribeTTL, known: map[string]described{}}}
	if g.wallet == nil {
		g.maxPrice = 0
	}
	options.Observe = g.observe
	c := client.New(directory, options)
	g.network, g.close = c, c.Close
	g.door = newDoor(cfg, g.metrics)
	g.metrics.watch(g.door)
	return g, nil
}

// openID names who shows no key, in the ledger and elsewhere.
const openID = "open"

// OpenKey is what strangers may do: the bounds of a key that nobody has to show.
func OpenKey(budgetTotal, budgetDay uint64, rate float64) *keys.Key {
	return &keys.Key{BudgetTotal: budgetTotal, BudgetDay: budgetDay, Rate: rate}
}

// Close ends what goes on in the background, after Serve. Wallet and ledger stay open; they are the caller's.
func (g *Gateway) Close() {
	g.close()
	g.pool.Close()
	g.freeAll()
}
