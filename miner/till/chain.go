package till

import (
	"context"
	"errors"

	"github.com/plexusnet/plexus/payment"
)

var (
	// ErrNoChannel: the chain answered, and has no such channel.
	ErrNoChannel = errors.New("no such channel on the chain")
	// ErrRefused: the chain refuses a transaction as it stands. Any other error of Redeem leaves open what came of it.
	ErrRefused = errors.New("refused by the chain")
)

// Chain is what a till needs of the chain. It must be safe for concurrent use.
type Chain interface {
	// Height returns the height of the chain.
	Height(ctx context.Context) (uint64, error)
	// Terms returns the chain's rules for channels.
	Terms(ctx context.Context) (Terms, error)
	// Channel returns how a channel stands. Errors: ErrNoChannel.
	Channel(ctx context.Context, id uint64) (Channel, error)
	// Redeem sends vouchers in one transaction, and once it stands in a block returns the nplx that each brought: none for
	// one that came too late. attempt counts the tries without an answer so far: more may be offered for a later one.
	// Errors: ErrRefused.
	Redeem(ctx context.Context, attempt int, vouchers []payment.Voucher) ([]uint64, error)
}

// Terms are the chain's rules that a till depends on.
type Terms struct {
	MaxVouchers int // of a transaction
}

// Channel is a channel on the chain: what package payment judges, whose it is, and the rules that it was opened under.
type Channel struct {
	payment.Channel
	Payer      string // account
	Hotkey     string // of the neuron whose coldkey is paid
	CloseDelay uint64 // blocks between the payer's close and the end
	MaxLanes   int
	Height     uint64 // of the state that was read
}
