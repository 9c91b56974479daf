package wallet

import (
	"context"

	"github.com/plexusnet/plexus/payment"
)

// Chain is what a wallet needs of a chain, in the name of one payer. Errors wrap metagraph.ErrNotFound,
// metagraph.ErrUnavailable, and ErrNoFunds where the payer's account has too little.
type Chain interface {
	// Height is the height of the chain.
	Height(ctx context.Context) (uint64, error)
	// Terms bound what may be opened.
	Terms(ctx context.Context) (Terms, error)
	// Channels are all of the payer's that were not collected.
	Channels(ctx context.Context) ([]Escrow, error)
	// OpenChannel opens a channel and returns its id.
	OpenChannel(ctx context.Context, o Opening) (uint64, error)
	// TopUp adds so many nplx, and moves the expiry to that height where it is not 0.
	TopUp(ctx context.Context, channel, amount, expires uint64) error
	// CloseChannel begins the closing of a channel.
	CloseChannel(ctx context.Context, channel uint64) error
	// Collect gets back what is left in a channel that has ended, and returns how many nplx.
	Collect(ctx context.Context, channel uint64) (uint64, error)
}

// Escrow is a channel as the chain has it.
type Escrow struct {
	payment.Channel
	Hotkey string // of the neuron that is paid
}

// Opening is what a channel is opened with.
type Opening struct {
	Netuid     uint32
	Hotkey     string
	VoucherKey []byte // 32 bytes
	Deposit    uint64 // nplx
	Expires    uint64 // height
}

// Terms are the chain's parameters for channels, as far as payers need them.
type Terms struct {
	MinDeposit  uint64 // nplx
	MaxDuration uint64 // blocks
	CloseDelay  uint64 // blocks between the payer's closing and the end
}
