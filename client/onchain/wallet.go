package onchain

import (
	"context"
	"errors"
	"fmt"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/client/wallet"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

// Wallet is a chain in the name of the account that pays: what a wallet.Wallet needs of one. It is safe for concurrent
// use.
type Wallet struct {
	nodes Nodes
	payer *chainclient.Signer
}

// NewWallet returns a view of the chain for a payer. The error wraps ErrNoKey.
func NewWallet(nodes Nodes, payer *chainclient.Signer) (*Wallet, error) {
	if payer == nil || nodes.Free == nil || nodes.Paying == nil {
		return nil, fmt.Errorf("%w: opening channels needs an account to pay, and a node that its transactions pay for", ErrNoKey)
	}
	return &Wallet{nodes: nodes, payer: payer}, nil
}

// Height implements wallet.Chain.
func (w *Wallet) Height(ctx context.Context) (uint64, error) {
	height, err := w.nodes.Free.WaitHeight(ctx, 0)
	return height, translate(err)
}

// Terms implements wallet.Chain.
func (w *Wallet) Terms(ctx context.Context) (wallet.Terms, error) {
	p, err := w.nodes.Free.ChannelParams(ctx)
	if err != nil {
		return wallet.Terms{}, translate(err)
	}
	return wallet.Terms{MinDeposit: p.MinDeposit, MaxDuration: p.MaxDuration, CloseDelay: p.CloseDelay}, nil
}

// Channels implements wallet.Chain.
func (w *Wallet) Channels(ctx context.Context) ([]wallet.Escrow, error) {
	list, err := w.nodes.Free.Channels(ctx, chainclient.ChannelsOf{Payer: w.payer.Address()})
	if err != nil {
		return nil, translate(err)
	}
	out := make([]wallet.Escrow, len(list))
	for i, c := range list {
		out[i] = wallet.Escrow{Channel: c.Channel, Hotkey: c.Hotkey}
	}
	return out, nil
}

// OpenChannel implements wallet.Chain.
func (w *Wallet) OpenChannel(ctx context.Context, o wallet.Opening) (uint64, error) {
	done, err := w.nodes.Paying.Submit(ctx, w.payer, &channelv1.MsgOpen{Payer: w.payer.Address(), Netuid: o.Netuid, Hotkey: o.Hotkey,
		VoucherKey: o.VoucherKey, Deposit: o.Deposit, Expires: o.Expires})
	if err != nil {
		return 0, w.paying(err)
	}
	var answer channelv1.MsgOpenResponse
	if err := done.Response(0, &answer); err != nil {
		return 0, err
	}
	return answer.Channel, nil
}

// TopUp implements wallet.Chain.
func (w *Wallet) TopUp(ctx context.Context, channel, amount, expires uint64) error {
	_, err := w.nodes.Paying.Submit(ctx, w.payer, &channelv1.MsgTopUp{Sender: w.payer.Address(), Channel: channel, Amount: amount, Expires: expires})
	return w.paying(err)
}

// CloseChannel implements wallet.Chain.
func (w *Wallet) CloseChannel(ctx context.Context, channel uint64) error {
	_, err := w.nodes.Paying.Submit(ctx, w.payer, &channelv1.MsgClose{Sender: w.payer.Address(), Channel: channel})
	return w.paying(err)
}

// Collect implements wallet.Chain.
func (w *Wallet) Collect(ctx context.Context, channel uint64) (uint64, error) {
	done, err := w.nodes.Paying.Submit(ctx, w.payer, &channelv1.MsgCollect{Sender: w.payer.Address(), Channel: channel})
	if err != nil {
		return 0, w.paying(err)
	}
	var answer channelv1.MsgCollectResponse
	if err := done.Response(0, &answer); err != nil {
		return 0, err
	}
	return answer.Refund, nil
}

// What the chain's bank and its fees answer where an account has too little.
const (
	rootSpace             = "sdk"
	codeInsufficientFunds = 5
	codeInsufficientFee   = 13
)

// paying translates what came of a transaction of the payer's.
func (w *Wallet) paying(err error) error {
	var refused *chainclient.TxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused) && refused.Codespace == rootSpace && refused.Code == codeInsufficientFunds:
		return fmt.Errorf("%w: send coins to %s (%s): %w", wallet.ErrNoFunds, w.payer.Name(), w.payer.Address(), err)
	case errors.As(err, &refused) && refused.Codespace == rootSpace && refused.Code == codeInsufficientFee:
		return fmt.Errorf("%w; offer more for gas with --gas-price", err)
	case errors.As(err, &refused): // a rule of module channel
		return translate(err)
	case errors.Is(err, chainclient.ErrNotFound):
		return fmt.Errorf("%w: the chain does not know the account %s (%s): send it coins first: %v", wallet.ErrNoFunds, w.payer.Name(), w.payer.Address(), err)
	default:
		return translate(err)
	}
}

var _ wallet.Chain = (*Wallet)(nil)
