package keeper

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/plexusnet/plexus/payment"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

// signatureGas is what a voucher's signature, or the check of a voucher key,
// costs beside the state that it touches: what the chain asks for a signature of
// a transaction.
const signatureGas = 1000

func consumeSignatureGas(ctx context.Context) {
	sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas(signatureGas, "voucher signature")
}

// update takes what the rules changed in a channel into what is stored.
func update(c *channelv1.Channel, rules payment.Channel) {
	c.Deposit, c.Redeemed, c.Expires, c.ClosesAt = rules.Deposit, rules.Redeemed, rules.Expires, rules.ClosesAt
	c.Lanes = c.Lanes[:0]
	for _, l := range rules.Lanes {
		c.Lanes = append(c.Lanes, channelv1.Lane{Id: l.ID, Nonce: l.Nonce, Redeemed: l.Redeemed})
	}
}

// open puts a deposit into a new channel. Its payee is the coldkey that the
// neuron has now, and stays it.
func (k *Keeper) open(ctx context.Context, msg *channelv1.MsgOpen) (channelv1.Channel, error) {
	params, err := k.params.Get(ctx)
	if err != nil {
		return channelv1.Channel{}, err
	}
	c := channelv1.Channel{
		Payer:      msg.Payer,
		Netuid:     msg.Netuid,
		Hotkey:     msg.Hotkey,
		VoucherKey: msg.VoucherKey,
		Deposit:    msg.Deposit,
		Opened:     height(ctx),
		Expires:    msg.Expires,
		CloseDelay: params.CloseDelay,
		MaxLanes:   params.MaxLanes,
	}
	consumeSignatureGas(ctx)
	if err := termsOf(params).Open(c.Rules(), height(ctx)); err != nil {
		return c, refuse(err)
	}
	if c.Payee, err = k.subnets.PayeeOf(ctx, msg.Netuid, msg.Hotkey); err != nil {
		return c, err
	}
	if err := k.payable("payer", c.Payer); err != nil {
		return c, err
	}
	if err := k.payable("payee", c.Payee); err != nil {
		return c, err
	}
	if err := k.deposit(ctx, c.Payer, c.Deposit); err != nil {
		return c, err
	}
	if err := k.changeTotals(ctx, func(t *channelv1.Totals) {
		t.Opened++
		t.Escrowed += c.Deposit
		c.Id = t.Opened
	}); err != nil {
		return c, err
	}
	emitEvent(ctx, "open", attr("channel", c.Id), attr("payer", c.Payer), attr("netuid", c.Netuid), attr("hotkey", c.Hotkey),
		attr("payee", c.Payee), attr("deposit", c.Deposit), attr("expires", c.Expires))
	return c, k.add(ctx, c)
}

// topUp adds to the deposit of a channel, or moves its expiry later, for its
// payer.
func (k *Keeper) topUp(ctx context.Context, msg *channelv1.MsgTopUp) (channelv1.Channel, error) {
	c, err := k.channel(ctx, msg.Channel)
	if err != nil {
		return c, err
	}
	if msg.Sender != c.Payer {
		return c, ErrUnauthorized.Wrapf("channel %d is paid by %s: sign with its key", c.Id, c.Payer)
	}
	params, err := k.params.Get(ctx)
	if err != nil {
		return c, err
	}
	rules := c.Rules()
	if err := rules.TopUp(height(ctx), msg.Amount, msg.Expires, termsOf(params)); err != nil {
		return c, refuse(err)
	}
	if err := k.deposit(ctx, c.Payer, msg.Amount); err != nil {
		return c, err
	}
	if err := k.changeTotals(ctx, func(t *channelv1.Totals) { t.Escrowed += msg.Amount }); err != nil {
		return c, err
	}
	update(&c, rules)
	emitEvent(ctx, "top_up", attr("channel", c.Id), attr("amount", msg.Amount), attr("deposit", c.Deposit), attr("expires", c.Expires))
	return c, k.channels.Set(ctx, c.Id, c)
}

// close ends a channel: at once for who receives, or serves, by it; after the
// delay it was opened under for who pays.
func (k *Keeper) close(ctx context.Context, msg *channelv1.MsgClose) (end uint64, err error) {
	c, err := k.channel(ctx, msg.Channel)
	if err != nil {
		return 0, err
	}
	delay := c.CloseDelay
	switch msg.Sender {
	case c.Payee, c.Hotkey:
		delay = 0
	case c.Payer:
	default:
		return 0, ErrUnauthorized.Wrapf("channel %d is from %s to %s, served by %s: sign with one of their keys", c.Id, c.Payer, c.Payee, c.Hotkey)
	}
	rules := c.Rules()
	if err := rules.Close(height(ctx), delay); err != nil {
		return 0, refuse(err)
	}
	update(&c, rules)
	emitEvent(ctx, "close", attr("channel", c.Id), attr("by", msg.Sender), attr("end", rules.End()))
	return rules.End(), k.channels.Set(ctx, c.Id, c)
}

// collect returns what is left of a channel that has ended to its payer, and
// forgets the channel.
func (k *Keeper) collect(ctx context.Context, msg *channelv1.MsgCollect) (refund uint64, err error) {
	c, err := k.channel(ctx, msg.Channel)
	if err != nil {
		return 0, err
	}
	rules := c.Rules()
	if refund, err = rules.Collect(height(ctx)); err != nil {
		return 0, refuse(err)
	}
	if err := k.release(ctx, c.Payer, refund); err != nil {
		return 0, err
	}
	if err := k.changeTotals(ctx, func(t *channelv1.Totals) {
		t.Collected++
		t.Escrowed -= refund
	}); err != nil {
		return 0, err
	}
	emitEvent(ctx, "collect", attr("channel", c.Id), attr("payer", c.Payer), attr("refund", refund))
	return refund, k.remove(ctx, c)
}
