package chainclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	nodeservice "github.com/cosmos/cosmos-sdk/client/grpc/node"
	sdk "github.com/cosmos/cosmos-sdk/types"
	txservice "github.com/cosmos/cosmos-sdk/types/tx"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/plexusnet/plexus/chain/network"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// What a zero Config means.
const (
	DefaultAddress         = "127.0.0.1:9090"
	DefaultGasAdjustment   = 1.4
	DefaultCallTimeout     = 10 * time.Second
	DefaultTxTimeout       = time.Minute
	DefaultMaxMessageBytes = 16 << 20
)

// Config says which chain to talk to and how. The zero value is a node on this
// machine at its default port.
type Config struct {
	// Address is the gRPC host:port of a node.
	Address string
	// Insecure allows plaintext to hosts other than this machine. Otherwise
	// they are reached by TLS, verified against the system's roots.
	Insecure bool
	// ChainID is the chain that must be served there. Empty: the first answer
	// decides, and holds from then on.
	ChainID string
	// GasPrice is what a unit of gas is paid with, as a decimal number of nplx.
	// Empty: nothing.
	GasPrice string
	// Gas is a fixed limit for every transaction. 0: each is simulated first,
	// and GasAdjustment times the gas that it used is the limit.
	Gas           uint64
	GasAdjustment float64
	// CallTimeout bounds each call, TxTimeout the wait for a transaction's
	// block.
	CallTimeout time.Duration
	TxTimeout   time.Duration
	// MaxMessageBytes bounds what is accepted from the node in one answer.
	MaxMessageBytes int
}

// withDefaults fills what was left out.
func (c Config) withDefaults() Config {
	if c.Address == "" {
		c.Address = DefaultAddress
	}
	if c.GasAdjustment == 0 {
		c.GasAdjustment = DefaultGasAdjustment
	}
	if c.CallTimeout == 0 {
		c.CallTimeout = DefaultCallTimeout
	}
	if c.TxTimeout == 0 {
		c.TxTimeout = DefaultTxTimeout
	}
	if c.MaxMessageBytes == 0 {
		c.MaxMessageBytes = DefaultMaxMessageBytes
	}
	return c
}

// validate expects a Config with defaults.
func (c Config) validate() error {
	var errs []error
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		errs = append(errs, fmt.Errorf("address %q: want host:port of a node's gRPC listener: %w", c.Address, err))
	}
	if c.GasAdjustment < 1 {
		errs = append(errs, fmt.Errorf("gas adjustment %g: want at least 1", c.GasAdjustment))
	}
	if c.CallTimeout < 0 || c.TxTimeout < 0 {
		errs = append(errs, fmt.Errorf("timeouts must be positive, got %s per call and %s per transaction", c.CallTimeout, c.TxTimeout))
	}
	if c.MaxMessageBytes < 0 {
		errs = append(errs, fmt.Errorf("max message bytes %d: want a positive number", c.MaxMessageBytes))
	}
	return errors.Join(errs...)
}

func (c Config) gasPrices() (sdk.DecCoins, error) {
	if c.GasPrice == "" {
		return nil, nil
	}
	prices, err := sdk.ParseDecCoins(c.GasPrice + network.Denom)
	if err != nil {
		return nil, fmt.Errorf("gas price %q: want a decimal number of %s, such as 0.01: %w", c.GasPrice, network.Denom, err)
	}
	return prices, nil
}

// Client talks to one chain through one node. It is safe for concurrent use.
type Client struct {
	cfg       Config
	gasPrices sdk.DecCoins
	enc       *encoding
	conn      *grpc.ClientConn

	comet   cmtservice.ServiceClient
	node    nodeservice.ServiceClient
	tx      txservice.ServiceClient
	auth    authtypes.QueryClient
	bank    banktypes.QueryClient
	subnet  subnetv1.QueryClient
	channel channelv1.QueryClient

	mu      sync.Mutex
	chainID string // what the node said it serves, once asked
}

// Dial prepares a client. It connects when first used, so it succeeds while the
// chain is down. Errors are about cfg.
func Dial(cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("chain client: %w", err)
	}
	prices, err := cfg.gasPrices()
	if err != nil {
		return nil, fmt.Errorf("chain client: %w", err)
	}
	enc, err := newEncoding()
	if err != nil {
		return nil, fmt.Errorf("chain client: %w", err)
	}
	conn, err := connect(cfg, enc)
	if err != nil {
		return nil, fmt.Errorf("chain client: %w", err)
	}
	return &Client{
		cfg:       cfg,
		gasPrices: prices,
		enc:       enc,
		conn:      conn,
		comet:     cmtservice.NewServiceClient(conn),
		node:      nodeservice.NewServiceClient(conn),
		tx:        txservice.NewServiceClient(conn),
		auth:      authtypes.NewQueryClient(conn),
		bank:      banktypes.NewQueryClient(conn),
		subnet:    subnetv1.NewQueryClient(conn),
		channel:   channelv1.NewQueryClient(conn),
	}, nil
}

// connect holds everything there is to say about the connection.
func connect(cfg Config, enc *encoding) (*grpc.ClientConn, error) {
	return grpc.NewClient(cfg.Address,
		grpc.WithTransportCredentials(transport(cfg)),
		grpc.WithConnectParams(grpc.ConnectParams{
			// A node that restarts is back within seconds; gRPC's own two
			// minutes would leave its users waiting long after.
			Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		grpc.WithDefaultCallOptions(
			grpc.ForceCodec(enc.codec.GRPCCodec()),
			grpc.MaxCallRecvMsgSize(cfg.MaxMessageBytes),
			grpc.MaxCallSendMsgSize(cfg.MaxMessageBytes),
		),
	)
}

func transport(cfg Config) credentials.TransportCredentials {
	if cfg.Insecure || isLoopback(cfg.Address) {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Close ends the connection. Calls in flight fail.
func (c *Client) Close() error { return c.conn.Close() }

// Address is the node that the client talks to.
func (c *Client) Address() string { return c.cfg.Address }

// call runs one gRPC call under the call timeout and names it in its error.
func call[Req, Resp any](ctx context.Context, c *Client, what string, method func(context.Context, Req, ...grpc.CallOption) (Resp, error), req Req) (Resp, error) {
	inner, cancel := context.WithTimeout(ctx, c.cfg.CallTimeout)
	defer cancel()
	resp, err := method(inner, req)
	if err != nil {
		var none Resp
		return none, fmt.Errorf("node %s: %w", c.cfg.Address, callError(ctx, what, err))
	}
	return resp, nil
}
