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
	// Height returns the height of the state that Channel answers from, or an earlier one.
	Height(ctx context.Context) (uint64, error)
	// Terms returns the chain's rules for channels.
	Terms(ctx context.Context) (Terms, error)
	// Channel returns how a channel stands. Errors: ErrNoChannel.
	Channel(ctx context.Context, id uint64) (Channel, error)
	// Redeem sends vouchers in one transaction and returns once it stands in a block. attempt counts the tries at the
	// same vouchers, from 0: more may be offered for a later one. Errors: ErrRefused.
	Redeem(ctx context.Context, attempt int, vouchers []payment.Voucher) error
}

// Terms are the chain's rules that a till depends on.
type Terms struct {
	CloseDelay  uint64 // blocks between a payer's close and the end of a channel
	MaxLanes    int    // of a channel
	MaxVouchers int    // of a transaction
}

// Channel is a channel on the chain, with the two parties that package payment has no need of.
type Channel struct {
	payment.Channel
	Payer  string // account
	Hotkey string // of the neuron whose coldkey is paid
}
