package simulation

import (
	"crypto/ed25519"
	"crypto/sha256"
	"math/rand"

	sdk "github.com/cosmos/cosmos-sdk/types"
	simtypes "github.com/cosmos/cosmos-sdk/types/simulation"

	"github.com/plexusnet/plexus/chain/network"
	"github.com/plexusnet/plexus/payment"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

// world is what an operation sees and draws from.
type world struct {
	m       *Module
	r       *rand.Rand
	ctx     sdk.Context
	accs    []simtypes.Account
	chainID string
	state   *channelv1.GenesisState
}

func (w *world) height() uint64 { return uint64(w.ctx.BlockHeight()) }

// spoil decides whether a message is to be wrong.
func (w *world) spoil() bool { return w.r.Intn(100) < 15 }

// balance returns what an account can spend, in nplx.
func (w *world) balance(a simtypes.Account) uint64 {
	return w.m.cfg.Bank.SpendableCoin(w.ctx, a.Address, network.Denom).Amount.Uint64()
}

// payer draws the richest of a few.
func (w *world) payer() simtypes.Account {
	best := oneOf(w.r, w.accs)
	for range 4 {
		if a := oneOf(w.r, w.accs); w.balance(a) > w.balance(best) {
			best = a
		}
	}
	return best
}

// stranger draws anybody whom a channel does not concern.
func (w *world) stranger(c channelv1.Channel) simtypes.Account {
	for {
		if a := oneOf(w.r, w.accs); a.AddressBech32 != c.Payer && a.AddressBech32 != c.Payee && a.AddressBech32 != c.Hotkey {
			return a
		}
	}
}

// signer returns the account of an address, errNothing where the simulation has
// no key of it.
func (w *world) signer(address string) (simtypes.Account, error) {
	a, found := w.m.byName[address]
	if !found {
		return a, errNothing
	}
	return a, nil
}

// channel draws a channel that has ended, or has not.
func (w *world) channel(ended bool) (channelv1.Channel, error) {
	var of []channelv1.Channel
	for i := range w.state.Channels {
		rules := w.state.Channels[i].Rules()
		if ended == (w.height() >= rules.End()) {
			of = append(of, w.state.Channels[i])
		}
	}
	if len(of) == 0 {
		return channelv1.Channel{}, errNothing
	}
	return oneOf(w.r, of), nil
}

// keyOf returns the key with which vouchers of a payer's channels are signed.
func keyOf(payer string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("voucher key of " + payer))
	return ed25519.NewKeyFromSeed(seed[:])
}

func open(w *world) (draft, error) {
	if len(w.m.miners) == 0 {
		return draft{}, errNothing
	}
	params, payer, to := w.state.Params, w.payer(), oneOf(w.r, w.m.miners)
	most := w.balance(payer) / 50
	if most < params.MinDeposit {
		return draft{}, errNothing
	}
	msg := &channelv1.MsgOpen{
		Payer: payer.AddressBech32, Netuid: to.netuid, Hotkey: to.hotkey,
		VoucherKey: keyOf(payer.AddressBech32).Public().(ed25519.PublicKey),
		Deposit:    between(w.r, params.MinDeposit, most),
		Expires:    w.height() + between(w.r, 2, params.MaxDuration),
	}
	d := draft{signer: payer, msg: msg}
	if !w.spoil() {
		return d, nil
	}
	d.wrong = true
	switch w.r.Intn(5) {
	case 0:
		msg.Netuid = 65_000
	case 1:
		msg.Deposit = params.MinDeposit - 1
	case 2:
		msg.VoucherKey = make([]byte, 32) // a point of small order
	case 3:
		msg.Expires = w.height() + params.MaxDuration + 10
	case 4:
		msg.Expires = w.height()
	}
	return d, nil
}

func topUp(w *world) (draft, error) {
	c, err := w.channel(false)
	if err != nil {
		return draft{}, err
	}
	payer, err := w.signer(c.Payer)
	if err != nil {
		return draft{}, err
	}
	msg := &channelv1.MsgTopUp{Sender: c.Payer, Channel: c.Id, Amount: between(w.r, 1, max(w.balance(payer)/100, 1))}
	if w.r.Intn(2) == 0 {
		msg.Expires = c.Expires + between(w.r, 1, 20)
	}
	d := draft{signer: payer, msg: msg}
	if w.spoil() {
		d.wrong, d.signer = true, w.stranger(c)
		msg.Sender = d.signer.AddressBech32
	}
	return d, nil
}

// voucher draws the next voucher of some lane of a channel.
func (w *world) voucher(c channelv1.Channel) payment.Voucher {
	rules := c.Rules()
	lane := rules.Lane(uint32(w.r.Intn(int(c.MaxLanes) + 1)))
	amount := lane.Redeemed + between(w.r, 1, max(rules.Left()/3, 1))
	return payment.Voucher{Channel: c.Id, Lane: lane.ID, Nonce: lane.Nonce + between(w.r, 1, 3), Amount: amount}
}

// redeem redeems some vouchers, or one that is wrong.
func redeem(w *world) (draft, error) {
	sender := oneOf(w.r, w.accs)
	msg := &channelv1.MsgRedeem{Sender: sender.AddressBech32}
	if w.spoil() {
		v, err := w.attack()
		msg.Vouchers = []channelv1.Voucher{channelv1.Voucher(v)}
		return draft{signer: sender, msg: msg, wrong: true}, err
	}
	for range between(w.r, 1, uint64(w.state.Params.MaxVouchers)) {
		c, err := w.channel(w.r.Intn(30) == 0)
		if err != nil {
			continue
		}
		v := payment.Sign(w.chainID, keyOf(c.Payer), w.voucher(c))
		msg.Vouchers = append(msg.Vouchers, channelv1.Voucher(v))
	}
	if len(msg.Vouchers) == 0 {
		return draft{}, errNothing
	}
	return draft{signer: sender, msg: msg}, nil
}

// attack draws a voucher that nobody must be paid for.
func (w *world) attack() (payment.Voucher, error) {
	c, err := w.channel(w.r.Intn(4) == 0)
	if err != nil {
		return payment.Voucher{}, err
	}
	good, key := w.voucher(c), keyOf(c.Payer)
	switch w.r.Intn(6) {
	case 0: // replay
		if len(c.Lanes) == 0 {
			return good, errNothing
		}
		l := oneOf(w.r, c.Lanes)
		return payment.Sign(w.chainID, key, payment.Voucher{Channel: c.Id, Lane: l.Id, Nonce: l.Nonce, Amount: l.Redeemed}), nil
	case 1: // over-redeem
		good.Amount += c.Deposit
		return payment.Sign(w.chainID, key, good), nil
	case 2: // wrong lane
		v := payment.Sign(w.chainID, key, good)
		v.Lane++
		return v, nil
	case 3: // another chain
		return payment.Sign(w.chainID+"-other", key, good), nil
	case 4: // forged
		return payment.Sign(w.chainID, keyOf("nobody"), good), nil
	default: // a channel that never was
		good.Channel = w.state.Totals.Opened + 1_000
		return payment.Sign(w.chainID, key, good), nil
	}
}

func closeChannel(w *world) (draft, error) {
	c, err := w.channel(false)
	if err != nil {
		return draft{}, err
	}
	if w.spoil() {
		who := w.stranger(c)
		return draft{signer: who, msg: &channelv1.MsgClose{Sender: who.AddressBech32, Channel: c.Id}, wrong: true}, nil
	}
	who, err := w.signer(oneOf(w.r, []string{c.Payer, c.Payer, c.Payee, c.Hotkey}))
	return draft{signer: who, msg: &channelv1.MsgClose{Sender: who.AddressBech32, Channel: c.Id}}, err
}

func collect(w *world) (draft, error) {
	wrong := w.spoil()
	c, err := w.channel(!wrong)
	rules := c.Rules()
	if err != nil || wrong && rules.End() <= w.height()+1 { // it may have ended when the message runs
		return draft{}, errNothing
	}
	who := oneOf(w.r, w.accs)
	return draft{signer: who, msg: &channelv1.MsgCollect{Sender: who.AddressBech32, Channel: c.Id}, wrong: wrong}, nil
}

// updateParams tries to change the parameters without governance.
func updateParams(w *world) (draft, error) {
	who := oneOf(w.r, w.accs)
	return draft{signer: who, msg: &channelv1.MsgUpdateParams{Authority: who.AddressBech32, Params: RandomParams(w.r)}, wrong: true}, nil
}
