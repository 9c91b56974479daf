package keeper

import (
	"context"
	"errors"
	"slices"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/plexusnet/plexus/payment"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

// redemption is what one message does to one channel.
type redemption struct {
	channel  channelv1.Channel
	rules    payment.Channel
	vouchers uint64
	amount   uint64 // nplx
}

// isLate tells refusals of a voucher that was right when it was sent: somebody
// else redeemed it or a later one, or the channel ended meanwhile.
func isLate(err error) bool {
	return errors.Is(err, payment.ErrReplayed) || errors.Is(err, payment.ErrClosed) || errors.Is(err, ErrUnknownChannel)
}

// redeem pays vouchers to their payees. Vouchers that come too late are passed
// over, so that nobody can undo a message of many by redeeming one of them
// first; with none left, and for any other reason, the message is refused.
func (k *Keeper) redeem(ctx context.Context, msg *channelv1.MsgRedeem) (*channelv1.MsgRedeemResponse, error) {
	params, err := k.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	if n := len(msg.Vouchers); n < 1 || n > int(params.MaxVouchers) {
		return nil, ErrInvalidRequest.Wrapf("%d vouchers, want 1 to %d in a message", n, params.MaxVouchers)
	}
	resp := &channelv1.MsgRedeemResponse{Redeemed: make([]uint64, len(msg.Vouchers))}
	b := batch{byChannel: map[uint64]*redemption{}}
	var late error // the first
	for i, v := range msg.Vouchers {
		resp.Redeemed[i], err = k.take(ctx, &b, v)
		if err != nil && !isLate(err) {
			return nil, refuse(err)
		}
		if late == nil {
			late = err
		}
	}
	if b.redeemed() == 0 {
		return nil, refuse(late)
	}
	resp.Burned, resp.Paid, err = k.settle(ctx, params, b)
	return resp, err
}

// batch is what one message does, by channel in the order of their first
// voucher.
type batch struct {
	redemptions []*redemption
	byChannel   map[uint64]*redemption
}

func (b batch) redeemed() (nplx uint64) {
	for _, r := range b.redemptions {
		nplx += r.amount
	}
	return nplx
}

// take judges one voucher and adds it to a batch.
func (k *Keeper) take(ctx context.Context, b *batch, v channelv1.Voucher) (amount uint64, err error) {
	r, known := b.byChannel[v.Channel]
	if !known {
		c, err := k.channel(ctx, v.Channel)
		if err != nil {
			return 0, err
		}
		r = &redemption{channel: c, rules: c.Rules()}
		b.redemptions, b.byChannel[v.Channel] = append(b.redemptions, r), r
	}
	consumeSignatureGas(ctx)
	amount, err = r.rules.Redeem(sdk.UnwrapSDKContext(ctx).ChainID(), height(ctx), payment.Voucher(v), int(r.channel.MaxLanes))
	if err != nil {
		return 0, err
	}
	r.vouchers++
	r.amount += amount
	return amount, nil
}

// settle stores and counts what was redeemed, burns the share of it that the
// parameters say, and pays each payee the rest at once.
func (k *Keeper) settle(ctx context.Context, params channelv1.Params, b batch) (burned, paid uint64, err error) {
	counting, err := k.beginCount(ctx, params)
	if err != nil {
		return 0, 0, err
	}
	var payees []string
	due := map[string]uint64{} // nplx by payee
	for _, r := range b.redemptions {
		if r.amount == 0 {
			continue
		}
		c := r.channel
		update(&c, r.rules)
		if err := k.channels.Set(ctx, c.Id, c); err != nil {
			return 0, 0, err
		}
		burn, pay := payment.Divide(r.amount, params.FeeBurn)
		if err := counting.add(ctx, c, r.vouchers, r.amount, burn); err != nil {
			return 0, 0, err
		}
		if !slices.Contains(payees, c.Payee) {
			payees = append(payees, c.Payee)
		}
		due[c.Payee] += pay
		burned, paid = burned+burn, paid+pay
		emitEvent(ctx, "redeem", attr("channel", c.Id), attr("netuid", c.Netuid), attr("hotkey", c.Hotkey), attr("payee", c.Payee),
			attr("vouchers", r.vouchers), attr("redeemed", r.amount), attr("burned", burn), attr("paid", pay))
	}
	if err := k.clock.Set(ctx, counting.clock); err != nil {
		return 0, 0, err
	}
	if err := k.subnets.BurnHeldBy(ctx, EscrowAccount, burned); err != nil {
		return 0, 0, err
	}
	for _, payee := range payees {
		if err := k.release(ctx, payee, due[payee]); err != nil {
			return 0, 0, err
		}
	}
	return burned, paid, k.changeTotals(ctx, func(t *channelv1.Totals) {
		t.Escrowed -= burned + paid
		t.Redeemed = saturatingAdd(t.Redeemed, burned+paid)
		t.Burned += burned
	})
}
