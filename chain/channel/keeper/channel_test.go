package keeper_test

import (
	"context"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/types/query"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/channel/keeper"
	subnetkeeper "github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/payment"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

func TestAChannelFromOpeningToCollection(t *testing.T) {
	n := newTestnet(t, base())
	callerHad, aliceHad, burned := n.balance(caller), n.balance(alice), n.Emission().Totals.Burned

	id := n.open(caller, minerA)
	require.Equal(t, uint64(1), id)
	require.Equal(t, callerHad-deposit, n.balance(caller))
	opened := n.Height()
	require.Equal(t, channelv1.Channel{
		Id: 1, Payer: caller.String(), Netuid: 1, Hotkey: minerA.String(), Payee: alice.String(), VoucherKey: public(voucherKey),
		Deposit: deposit, Opened: opened, Expires: opened + 100, CloseDelay: closeDelay, MaxLanes: maxLanes,
	}, n.channel(id))

	// 100001 at 500 basis points burns 5000.05: rounded up.
	require.Equal(t, &channelv1.MsgRedeemResponse{Redeemed: []uint64{100_001}, Burned: 5_001, Paid: 95_000}, n.redeem(signed(id, 0, 1, 100_001)))
	require.Equal(t, aliceHad+95_000, n.balance(alice))
	require.Equal(t, burned+5_001, n.Emission().Totals.Burned)

	res := n.Must(caller, &channelv1.MsgTopUp{Sender: caller.String(), Channel: id, Amount: 500_000, Expires: opened + 200})
	require.Equal(t, &channelv1.MsgTopUpResponse{Deposit: deposit + 500_000, Expires: opened + 200}, answer[channelv1.MsgTopUpResponse](n, res))
	require.Equal(t, []uint64{1_400_000 - 1}, n.redeem(signed(id, 2, 7, 1_399_999)).Redeemed, "all that is left, on another lane")

	n.Refuse(keeper.ErrOpen, eve, &channelv1.MsgCollect{Sender: eve.String(), Channel: id})
	require.Equal(t, n.Height()+1+closeDelay, n.close(caller, id))
	n.Advance(closeDelay - 2)
	n.Refuse(keeper.ErrOpen, eve, &channelv1.MsgCollect{Sender: eve.String(), Channel: id}) // makes the last block before the end
	_ = n.collectAt(id)
	require.Equal(t, callerHad-deposit-500_000, n.balance(caller), "everything was redeemed")
	n.Refuse(keeper.ErrUnknownChannel, eve, &channelv1.MsgCollect{Sender: eve.String(), Channel: id})
	require.Equal(t, uint64(0), n.totals().Totals.Escrowed)
}

// collectAt collects a channel as soon as it can be.
func (n testnet) collectAt(id uint64) uint64 {
	n.t.Helper()
	if end := n.end(id); n.Height()+1 < end {
		n.AdvanceTo(end - 1)
	}
	return n.collect(id)
}

func TestOpenRefusals(t *testing.T) {
	n := newTestnet(t, base())
	for _, c := range []struct {
		name   string
		signer apptest.Account
		change func(*channelv1.MsgOpen)
		want   *errorsmod.Error
	}{
		{"no such subnet", caller, func(m *channelv1.MsgOpen) { m.Netuid = 2 }, subnetkeeper.ErrUnknownSubnet},
		{"no such miner", caller, func(m *channelv1.MsgOpen) { m.Hotkey = fresh.String() }, subnetkeeper.ErrNotRegistered},
		{"no hotkey", caller, func(m *channelv1.MsgOpen) { m.Hotkey = "" }, subnetkeeper.ErrNotRegistered},
		{"a deposit too small", caller, func(m *channelv1.MsgOpen) { m.Deposit = 999 }, keeper.ErrInvalidTerms},
		{"no deposit", caller, func(m *channelv1.MsgOpen) { m.Deposit = 0 }, keeper.ErrInvalidTerms},
		{"more than he has", poor, func(*channelv1.MsgOpen) {}, sdkerrors.ErrInsufficientFunds},
		{"more than there can be", caller, func(m *channelv1.MsgOpen) { m.Deposit = 1<<64 - 1 }, sdkerrors.ErrInsufficientFunds},
		{"expired", caller, func(m *channelv1.MsgOpen) { m.Expires = n.Height() + 1 }, keeper.ErrInvalidTerms},
		{"too long", caller, func(m *channelv1.MsgOpen) { m.Expires = n.Height() + 1 + 1_001 }, keeper.ErrInvalidTerms},
		{"for ever", caller, func(m *channelv1.MsgOpen) { m.Expires = 1<<64 - 1 }, keeper.ErrInvalidTerms},
		{"no key", caller, func(m *channelv1.MsgOpen) { m.VoucherKey = nil }, keeper.ErrInvalidKey},
		{"a short key", caller, func(m *channelv1.MsgOpen) { m.VoucherKey = m.VoucherKey[1:] }, keeper.ErrInvalidKey},
		{"a key for which anybody can sign", caller, func(m *channelv1.MsgOpen) { m.VoucherKey = append([]byte{1}, make([]byte, 31)...) }, keeper.ErrInvalidKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			msg := n.openMsg(c.signer, minerA)
			c.change(msg)
			n.Refuse(c.want, c.signer, msg)
		})
	}
	require.Zero(t, n.totals().Totals)

	t.Run("module as payer", func(t *testing.T) {
		msg := n.openMsg(caller, minerA)
		msg.Payer = authtypes.NewModuleAddress(subnetkeeper.EmissionAccount).String()
		_, err := keeper.NewMsgServer(n.App().Channel).Open(n.Context(), msg)
		require.ErrorIs(t, err, keeper.ErrInvalidRequest)
	})
}

// addOrder makes a second signature of the same content out of a first, without
// the key: S plus the order of the group.
func addOrder(v channelv1.Voucher) channelv1.Voucher {
	order, _ := new(big.Int).SetString("27742317777372353535851937790883648493", 10)
	order.Add(order, new(big.Int).Lsh(big.NewInt(1), 252))
	v.Signature = slices.Clone(v.Signature)
	slices.Reverse(v.Signature[32:])
	new(big.Int).Add(new(big.Int).SetBytes(v.Signature[32:]), order).FillBytes(v.Signature[32:])
	slices.Reverse(v.Signature[32:])
	return v
}

// TestAttacks runs every attack as a transaction in a block, against channels in
// which something was redeemed already.
func TestAttacks(t *testing.T) {
	n := newTestnet(t, base())
	one, two := n.open(caller, minerA), n.open(caller, minerB) // both with the same voucher key
	n.redeem(signed(one, 1, 5, 300_000))
	ended := n.open(caller, minerA)
	n.close(minerA, ended)

	renamed := signed(two, 1, 6, 400_000)
	renamed.Channel = one
	relaned := signed(one, 2, 6, 400_000)
	relaned.Lane = 1
	raised := signed(one, 1, 6, 400_000)
	raised.Amount++
	later := signed(one, 1, 6, 400_000)
	later.Nonce++
	elsewhere := channelv1.Voucher(payment.Sign("plexus-other", voucherKey, payment.Voucher{Channel: one, Lane: 1, Nonce: 6, Amount: 400_000}))
	cut := signed(one, 1, 6, 400_000)
	cut.Signature = cut.Signature[:63]
	bare := signed(one, 1, 6, 400_000)
	bare.Signature = nil

	for _, c := range []struct {
		name    string
		voucher channelv1.Voucher
		want    *errorsmod.Error
	}{
		{"replay", signed(one, 1, 5, 300_000), keeper.ErrReplayed},
		{"replay of an older one", signed(one, 1, 4, 200_000), keeper.ErrReplayed},
		{"the same nonce for more", signed(one, 1, 5, 400_000), keeper.ErrReplayed},
		{"an older nonce for more", signed(one, 1, 4, 400_000), keeper.ErrReplayed},
		{"a newer nonce for no more", signed(one, 1, 6, 300_000), keeper.ErrReplayed},
		{"nonce 0", signed(one, 0, 0, 1), keeper.ErrReplayed},
		{"amount 0", signed(one, 0, 1, 0), keeper.ErrReplayed},
		{"over-redeem", signed(one, 1, 6, deposit+1), keeper.ErrOverspent},
		{"over-redeem on another lane", signed(one, 0, 1, deposit-300_000+1), keeper.ErrOverspent},
		{"over-redeem with the largest number", signed(one, 1, 6, 1<<64-1), keeper.ErrOverspent},
		{"wrong lane", relaned, keeper.ErrForged},
		{"double spend over channels", renamed, keeper.ErrForged},
		{"a voucher of another chain", elsewhere, keeper.ErrForged},
		{"a stranger's signature", signedBy(keyOf(2), one, 1, 6, 400_000), keeper.ErrForged},
		{"raised amount", raised, keeper.ErrForged},
		{"raised nonce", later, keeper.ErrForged},
		{"malleable signature", addOrder(signed(one, 1, 6, 400_000)), keeper.ErrForged},
		{"cut signature", cut, keeper.ErrForged},
		{"no signature", bare, keeper.ErrForged},
		{"a channel that never was", signed(99, 1, 1, 1), keeper.ErrUnknownChannel},
		{"redeem after close", signed(ended, 0, 1, 1), keeper.ErrClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := []channelv1.Channel{n.channel(one), n.channel(two)}
			had := []uint64{n.balance(alice), n.balance(bob), n.balance(caller)}
			n.Refuse(c.want, eve, redeemMsg(c.voucher))
			require.Equal(t, before, []channelv1.Channel{n.channel(one), n.channel(two)})
			require.Equal(t, had, []uint64{n.balance(alice), n.balance(bob), n.balance(caller)})
		})
	}
	t.Run("one lane too many", func(t *testing.T) {
		n.redeem(signed(one, 7, 1, 1), signed(one, 8, 1, 1))
		n.Refuse(keeper.ErrTooManyLanes, eve, redeemMsg(signed(one, 9, 1, 1)))
		require.Equal(t, []uint64{1}, n.redeem(signed(one, 8, 2, 2)).Redeemed, "those in use go on")
	})
	t.Run("closing with an old voucher", func(t *testing.T) {
		closing := n.open(caller, minerA)
		n.redeem(signed(closing, 0, 5, 300_000))
		n.close(caller, closing)
		n.Refuse(keeper.ErrReplayed, eve, redeemMsg(signed(closing, 0, 4, 200_000)))
		require.Equal(t, []uint64{50_000}, n.redeem(signed(closing, 0, 6, 350_000)).Redeemed, "a newer one counts")
	})
}

// TestTheEndIsExact has a voucher and a collection in the last block before the
// end of a channel, and in the block of the end, for every way to end.
func TestTheEndIsExact(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(n testnet, id uint64) uint64
	}{
		{"expiry", func(n testnet, id uint64) uint64 { return n.channel(id).Expires }},
		{"closed by the payer", func(n testnet, id uint64) uint64 { return n.close(caller, id) }},
		{"closed by the payer just before expiry", func(n testnet, id uint64) uint64 {
			n.AdvanceTo(n.channel(id).Expires - closeDelay - 1)
			n.Refuse(keeper.ErrClosing, caller, &channelv1.MsgClose{Sender: caller.String(), Channel: id})
			return n.channel(id).Expires
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newTestnet(t, base())
			id := n.open(caller, minerA)
			end := c.end(n, id)
			require.Equal(t, end, n.end(id))
			n.AdvanceTo(end - 2)
			collect := &channelv1.MsgCollect{Sender: eve.String(), Channel: id}

			results := n.Block(
				apptest.Tx{Signer: alice, Msgs: []sdk.Msg{&channelv1.MsgRedeem{Sender: alice.String(), Vouchers: []channelv1.Voucher{signed(id, 0, 1, 10)}}}},
				apptest.Tx{Signer: eve, Msgs: []sdk.Msg{collect}},
			)
			require.Equal(t, end-1, n.Height())
			require.Zero(t, results[0].Code, "redeemed at end - 1: %s", results[0].Log)
			require.Equal(t, keeper.ErrOpen.ABCICode(), results[1].Code)

			had := n.balance(caller)
			results = n.Block(
				apptest.Tx{Signer: alice, Msgs: []sdk.Msg{&channelv1.MsgRedeem{Sender: alice.String(), Vouchers: []channelv1.Voucher{signed(id, 0, 2, 20)}}}},
				apptest.Tx{Signer: eve, Msgs: []sdk.Msg{collect}},
			)
			require.Equal(t, end, n.Height())
			require.Equal(t, keeper.ErrClosed.ABCICode(), results[0].Code)
			require.Zero(t, results[1].Code, "collected at the end: %s", results[1].Log)
			require.Equal(t, had+deposit-10, n.balance(caller))
		})
	}
}

func TestThePayeeClosesAtOnce(t *testing.T) {
	for _, who := range []apptest.Account{alice, minerA} {
		t.Run(who.Name, func(t *testing.T) {
			n := newTestnet(t, base())
			id := n.open(caller, minerA)
			had := n.balance(caller)
			n.close(caller, id) // the payer's delay is running
			results := n.Block(
				apptest.Tx{Signer: eve, Msgs: []sdk.Msg{redeemMsg(signed(id, 0, 1, 10))}},
				apptest.Tx{Signer: who, Msgs: []sdk.Msg{&channelv1.MsgClose{Sender: who.String(), Channel: id}}},
				apptest.Tx{Signer: eve, Msgs: []sdk.Msg{redeemMsg(signed(id, 0, 2, 20))}},
				apptest.Tx{Signer: eve, Msgs: []sdk.Msg{&channelv1.MsgCollect{Sender: eve.String(), Channel: id}}},
				apptest.Tx{Signer: eve, Msgs: []sdk.Msg{redeemMsg(signed(id, 0, 3, 30))}},
			)
			require.Equal(t, []uint32{0, 0, keeper.ErrClosed.ABCICode(), 0, keeper.ErrUnknownChannel.ABCICode()},
				[]uint32{results[0].Code, results[1].Code, results[2].Code, results[3].Code, results[4].Code})
			require.Equal(t, had+deposit-10, n.balance(caller))
		})
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	n := newTestnet(t, base())
	id := n.open(caller, minerA)
	for _, who := range []apptest.Account{eve, bob, alice} {
		n.Refuse(keeper.ErrUnauthorized, who, &channelv1.MsgTopUp{Sender: who.String(), Channel: id, Amount: 10})
	}
	n.Refuse(keeper.ErrUnauthorized, eve, &channelv1.MsgClose{Sender: eve.String(), Channel: id})
	n.Refuse(keeper.ErrUnknownChannel, caller, &channelv1.MsgClose{Sender: caller.String(), Channel: 9})
	n.Refuse(keeper.ErrUnknownChannel, caller, &channelv1.MsgTopUp{Sender: caller.String(), Channel: 9, Amount: 10})
	n.Refuse(keeper.ErrInvalidTerms, caller, &channelv1.MsgTopUp{Sender: caller.String(), Channel: id})
	n.Refuse(keeper.ErrInvalidTerms, caller, &channelv1.MsgTopUp{Sender: caller.String(), Channel: id, Expires: n.channel(id).Expires - 1})
	n.Refuse(keeper.ErrInvalidTerms, caller, &channelv1.MsgTopUp{Sender: caller.String(), Channel: id, Expires: n.Height() + 2_000})
	n.Refuse(sdkerrors.ErrInsufficientFunds, caller, &channelv1.MsgTopUp{Sender: caller.String(), Channel: id, Amount: 2 * rich})
	n.close(caller, id)
	n.Refuse(keeper.ErrClosing, caller, &channelv1.MsgTopUp{Sender: caller.String(), Channel: id, Amount: 10})
	n.Refuse(keeper.ErrClosing, caller, &channelv1.MsgClose{Sender: caller.String(), Channel: id})
	n.AdvanceTo(n.end(id))
	n.Refuse(keeper.ErrClosed, alice, &channelv1.MsgClose{Sender: alice.String(), Channel: id})
	n.Refuse(keeper.ErrClosed, caller, &channelv1.MsgTopUp{Sender: caller.String(), Channel: id, Amount: 10})
}

func TestSeveralVouchersInOneMessage(t *testing.T) {
	n := newTestnet(t, base())
	one, two, three := n.open(caller, minerA), n.open(caller, minerB), n.open(eve, minerA)
	aliceHad, bobHad := n.balance(alice), n.balance(bob)
	n.redeem(signed(two, 0, 3, 1_000))
	gone := n.open(caller, minerB)
	n.close(bob, gone)

	res := n.redeem(
		signed(one, 0, 1, 1_000),  // first of its channel
		signed(two, 0, 2, 500),    // somebody redeemed a later one
		signed(three, 1, 1, 333),  // to the same payee as the first
		signed(one, 0, 2, 1_500),  // follows on the same lane
		signed(one, 1, 1, 2_001),  // another lane
		signed(gone, 0, 1, 1_000), // ended meanwhile
		signed(99, 0, 1, 1_000),   // collected meanwhile, or never there
		signed(two, 0, 4, 1_100),
	)
	// Burned per channel: of 3501, 176; of 333, 17; of 100, 5.
	require.Equal(t, &channelv1.MsgRedeemResponse{Redeemed: []uint64{1_000, 0, 333, 500, 2_001, 0, 0, 100}, Burned: 198, Paid: 3_934 - 198}, res)
	require.Equal(t, aliceHad+3_501-176+333-17, n.balance(alice))
	require.Equal(t, bobHad+950+95, n.balance(bob))

	for _, c := range []struct {
		name     string
		vouchers []channelv1.Voucher
		want     *errorsmod.Error
	}{
		{"none", nil, keeper.ErrInvalidRequest},
		{"too many", slices.Repeat([]channelv1.Voucher{signed(one, 0, 9, 9_000)}, 11), keeper.ErrInvalidRequest},
		{"all late: the first says why", []channelv1.Voucher{signed(gone, 0, 1, 1), signed(one, 0, 1, 1_000)}, keeper.ErrClosed},
		{"one forged undoes all", []channelv1.Voucher{signed(one, 0, 3, 2_000), signedBy(keyOf(2), two, 0, 9, 9_000)}, keeper.ErrForged},
		{"one too large undoes all", []channelv1.Voucher{signed(one, 0, 3, 2_000), signed(two, 0, 9, deposit+1)}, keeper.ErrOverspent},
		{"lanes that are too much together", []channelv1.Voucher{signed(one, 0, 3, 600_000), signed(one, 2, 1, 600_000)}, keeper.ErrOverspent},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := n.totals().Totals
			n.Refuse(c.want, eve, redeemMsg(c.vouchers...))
			require.Equal(t, before, n.totals().Totals)
		})
	}
	require.Equal(t, []uint64{500, 0}, n.redeem(signed(one, 0, 3, 2_000), signed(one, 0, 3, 2_000)).Redeemed, "the same voucher twice counts once")
}

// TestThePayeeIsWhoItWasAtOpening: whatever becomes of the miner and its subnet,
// the promise stays one to the coldkey that was named, and the caller gets back
// the rest.
func TestThePayeeIsWhoItWasAtOpening(t *testing.T) {
	for _, c := range []struct {
		name   string
		happen func(n testnet)
		again  *errorsmod.Error // of a new channel to the hotkey
	}{
		{"subnet removed", func(n testnet) {
			n.Must(owner, &subnetv1.MsgRemoveSubnet{Sender: owner.String(), Netuid: 1})
		}, subnetkeeper.ErrUnknownSubnet},
		{"hotkey deregistered", func(n testnet) {
			n.Must(alice, &subnetv1.MsgDeregister{Sender: alice.String(), Hotkey: minerA.String(), Netuid: 1})
		}, subnetkeeper.ErrNotRegistered},
		{"hotkey swapped", func(n testnet) {
			n.Must(alice, &subnetv1.MsgSwapHotkey{Coldkey: alice.String(), Hotkey: minerA.String(), NewHotkey: fresh.String(), NewHotkeyProof: fresh.Proof(alice)})
		}, subnetkeeper.ErrNotRegistered},
		{"coldkey swapped", func(n testnet) {
			n.Must(alice, &subnetv1.MsgSwapColdkey{Coldkey: alice.String(), NewColdkey: fresh.String()})
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newTestnet(t, base())
			id := n.open(caller, minerA)
			c.happen(n)
			aliceHad, callerHad := n.balance(alice), n.balance(caller)
			require.Equal(t, uint64(95_000), n.redeem(signed(id, 0, 1, 100_000)).Paid)
			require.Equal(t, aliceHad+95_000, n.balance(alice))
			require.Equal(t, uint64(100_000), n.minerDemand(minerA).Total.Redeemed)
			require.Equal(t, uint64(100_000), n.demand().Total.Redeemed)
			n.close(alice, id)
			require.Equal(t, uint64(900_000), n.collect(id))
			require.Equal(t, callerHad+900_000, n.balance(caller))

			_, err := n.Do(apptest.Tx{Signer: caller, Msgs: []sdk.Msg{n.openMsg(caller, minerA)}})
			if c.again != nil {
				require.ErrorIs(t, err, c.again)
				return
			}
			require.NoError(t, err)
			require.Equal(t, fresh.String(), n.channel(2).Payee, "a new channel pays the new coldkey")
		})
	}
}

// TestPayingOneself costs what is burned, and is demand like any other.
func TestPayingOneself(t *testing.T) {
	n := newTestnet(t, base())
	had := n.balance(alice)
	id := n.open(alice, minerA)
	n.redeem(signed(id, 0, 1, deposit))
	require.Equal(t, had-deposit/20, n.balance(alice))
	require.Equal(t, uint64(deposit/20), n.demand().Total.Burned)
	require.Equal(t, n.Height()+1, n.close(alice, id), "as payee at once, as payer or not")
	require.Zero(t, n.collect(id))
	require.Equal(t, had-deposit/20, n.balance(alice))
}

// TestTermsHoldForTheLifeOfAChannel: governance changes what later channels are
// opened under, and the burn of all.
func TestTermsHoldForTheLifeOfAChannel(t *testing.T) {
	n := newTestnet(t, base())
	id := n.open(caller, minerA)
	params := testParams()
	params.CloseDelay, params.MaxLanes, params.FeeBurn, params.MinDeposit = 50, 1, 1_000, deposit
	ctx := n.Context()
	server := keeper.NewMsgServer(n.App().Channel)
	_, err := server.UpdateParams(ctx, &channelv1.MsgUpdateParams{Authority: n.Authority(), Params: params})
	require.NoError(t, err)

	res, err := server.Redeem(ctx, redeemMsg(signed(id, 0, 1, 1_000), signed(id, 1, 1, 1_000)))
	require.NoError(t, err)
	require.Equal(t, uint64(200), res.Burned, "as of now")
	closed, err := server.Close(ctx, &channelv1.MsgClose{Sender: caller.String(), Channel: id})
	require.NoError(t, err)
	require.Equal(t, n.Height()+closeDelay, closed.End, "as it was at opening")

	opened, err := server.Open(ctx, n.openMsg(caller, minerA))
	require.NoError(t, err)
	got, err := keeper.NewQueryServer(n.App().Channel).Channel(ctx, &channelv1.QueryChannelRequest{Channel: opened.Channel})
	require.NoError(t, err)
	require.Equal(t, []uint64{50, 1}, []uint64{got.Channel.CloseDelay, uint64(got.Channel.MaxLanes)})
}

func TestChannelsAreFound(t *testing.T) {
	n := newTestnet(t, base())
	n.open(caller, minerA)
	n.open(caller, minerB)
	n.open(eve, minerA)
	n.open(alice, minerB)
	for _, c := range []struct {
		name string
		req  channelv1.QueryChannelsRequest
		want []uint64
	}{
		{"all", channelv1.QueryChannelsRequest{}, []uint64{1, 2, 3, 4}},
		{"by payer", channelv1.QueryChannelsRequest{Payer: caller.String()}, []uint64{1, 2}},
		{"by payee", channelv1.QueryChannelsRequest{Payee: alice.String()}, []uint64{1, 3}},
		{"by hotkey", channelv1.QueryChannelsRequest{Hotkey: minerB.String()}, []uint64{2, 4}},
		{"nobody's", channelv1.QueryChannelsRequest{Payer: bob.String()}, nil},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, n.found(&c.req)) })
	}
	n.close(minerA, 1)
	n.collect(1)
	require.Equal(t, []uint64{2}, n.found(&channelv1.QueryChannelsRequest{Payer: caller.String()}))
	require.Equal(t, []uint64{3}, n.found(&channelv1.QueryChannelsRequest{Payee: alice.String()}))
	require.Equal(t, []uint64{3}, n.found(&channelv1.QueryChannelsRequest{Hotkey: minerA.String()}))

	for _, bad := range []*channelv1.QueryChannelsRequest{{Payer: "nobody"}, {Payer: caller.String(), Payee: alice.String()}} {
		_, err := n.Channel().Channels(context.Background(), bad)
		require.ErrorContains(t, err, keeper.ErrInvalidRequest.Error())
	}
	_, err := n.Channel().Channel(context.Background(), &channelv1.QueryChannelRequest{Channel: 1})
	require.ErrorContains(t, err, keeper.ErrUnknownChannel.Error())
	_, err = n.Channel().MinerDemand(context.Background(), &channelv1.QueryMinerDemandRequest{Netuid: 1, Hotkey: "nobody"})
	require.ErrorContains(t, err, keeper.ErrInvalidRequest.Error())
}

// found lists the ids that a query returns, in pages of one.
func (n testnet) found(req *channelv1.QueryChannelsRequest) []uint64 {
	n.t.Helper()
	var ids []uint64
	for {
		if req.Pagination == nil {
			req.Pagination = &query.PageRequest{Limit: 1}
		}
		res, err := n.Channel().Channels(context.Background(), req)
		require.NoError(n.t, err)
		require.Equal(n.t, n.Height(), res.Height)
		for _, c := range res.Channels {
			ids = append(ids, c.Id)
		}
		if len(res.Pagination.NextKey) == 0 {
			return ids
		}
		req.Pagination.Key = res.Pagination.NextKey
	}
}
