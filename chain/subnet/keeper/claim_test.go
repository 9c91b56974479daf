package keeper_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// claims are all messages in which alice, or the operator of the large
// validator, claims a hotkey that nobody has used.
func claims(hotkey apptest.Account, proof func(coldkey apptest.Account) *subnetv1.HotkeyProof) map[string]struct {
	signer apptest.Account
	msg    sdk.Msg
} {
	operator := large.Account()
	return map[string]struct {
		signer apptest.Account
		msg    sdk.Msg
	}{
		"register": {alice, &subnetv1.MsgRegister{
			Coldkey: alice.String(), Hotkey: hotkey.String(), Netuid: 1, MaxBurn: subnet.Cap, HotkeyProof: proof(alice)}},
		"create": {alice, &subnetv1.MsgCreateSubnet{
			Owner: alice.String(), OwnerHotkey: hotkey.String(), OwnerHotkeyProof: proof(alice), Name: "other", MaxLock: subnet.Cap}},
		"transfer": {owner, &subnetv1.MsgTransferSubnet{
			Owner: owner.String(), Netuid: 1, NewOwner: owner.String(), NewOwnerHotkey: hotkey.String(), NewOwnerHotkeyProof: proof(owner)}},
		"bind": {operator, &subnetv1.MsgBindHotkey{
			Operator: operator.String(), Hotkey: hotkey.String(), HotkeyProof: proof(operator)}},
		"swap": {alice, &subnetv1.MsgSwapHotkey{
			Coldkey: alice.String(), Hotkey: minerA.String(), NewHotkey: hotkey.String(), NewHotkeyProof: proof(alice)}},
	}
}

// TestAHotkeyIsClaimedByWhoHasIt in every message that can claim one: without a
// proof, or with one that is not right in every part, it stays nobody's.
func TestAHotkeyIsClaimedByWhoHasIt(t *testing.T) {
	sign := func(key apptest.Account, message []byte) *subnetv1.HotkeyProof {
		signature, err := key.Key.Sign(message)
		require.NoError(t, err)
		return &subnetv1.HotkeyProof{PublicKey: key.Key.PubKey().Bytes(), Signature: signature}
	}
	changed := func(change func(*subnetv1.HotkeyProof)) func(apptest.Account) *subnetv1.HotkeyProof {
		return func(coldkey apptest.Account) *subnetv1.HotkeyProof {
			p := minerC.Proof(coldkey)
			change(p)
			return p
		}
	}
	// No epoch in the test: a refusal must leave every balance as it is.
	n := newTestnet(t, with(base(), func(p *subnetv1.Params) { p.Defaults.Tempo = 10_000 })).withSubnet()
	n.register(alice, minerA)
	for name, proof := range map[string]func(coldkey apptest.Account) *subnetv1.HotkeyProof{
		"none":                func(apptest.Account) *subnetv1.HotkeyProof { return nil },
		"an empty one":        func(apptest.Account) *subnetv1.HotkeyProof { return &subnetv1.HotkeyProof{} },
		"another key's":       func(coldkey apptest.Account) *subnetv1.HotkeyProof { return minerB.Proof(coldkey) },
		"for another coldkey": func(apptest.Account) *subnetv1.HotkeyProof { return minerC.Proof(bob) },
		"for another chain": func(coldkey apptest.Account) *subnetv1.HotkeyProof {
			return sign(minerC, subnetv1.HotkeyClaim("plexus-other", coldkey.String()))
		},
		"of something else": func(coldkey apptest.Account) *subnetv1.HotkeyProof { return sign(minerC, []byte(coldkey.String())) },
		"another's signature": changed(func(p *subnetv1.HotkeyProof) {
			p.Signature = minerB.Proof(alice).Signature
		}),
		"another's public key": changed(func(p *subnetv1.HotkeyProof) { p.PublicKey = minerB.Key.PubKey().Bytes() }),
		"a flipped bit":        changed(func(p *subnetv1.HotkeyProof) { p.Signature[40] ^= 1 }),
		"a short signature":    changed(func(p *subnetv1.HotkeyProof) { p.Signature = p.Signature[:63] }),
		"no signature":         changed(func(p *subnetv1.HotkeyProof) { p.Signature = nil }),
		"a short public key":   changed(func(p *subnetv1.HotkeyProof) { p.PublicKey = p.PublicKey[:32] }),
		"no point":             changed(func(p *subnetv1.HotkeyProof) { p.PublicKey = bytes.Repeat([]byte{7}, 33) }),
		"a long public key":    changed(func(p *subnetv1.HotkeyProof) { p.PublicKey = append(p.PublicKey, 0) }),
	} {
		t.Run(name, func(t *testing.T) {
			for message, c := range claims(minerC, proof) {
				n.Refuse(keeper.ErrUnprovenHotkey, c.signer, c.msg)
				require.Nil(t, n.App().Accounts.GetAccount(n.Context(), minerC.Address()), message)
			}
		})
	}
	require.Empty(t, n.positions(minerC).Positions)
}

// TestAProofIsWantedOnce: who owns a hotkey names it without.
func TestAProofIsWantedOnce(t *testing.T) {
	for name, c := range claims(minerC, minerC.Proof) {
		t.Run(name, func(t *testing.T) {
			n := newTestnet(t, base()).withSubnet()
			n.register(alice, minerA)
			n.Must(c.signer, c.msg)
			n.Must(c.signer, &subnetv1.MsgCreateSubnet{Owner: c.signer.String(), OwnerHotkey: minerC.String(), Name: "again", MaxLock: subnet.Cap})
			n.Refuse(keeper.ErrHotkeyTaken, bob, &subnetv1.MsgCreateSubnet{
				Owner: bob.String(), OwnerHotkey: minerC.String(), OwnerHotkeyProof: minerC.Proof(bob), Name: "theft", MaxLock: subnet.Cap})
		})
	}
}

// TestTheSignersOwnKeyNeedsNoProof, for it signs the transaction.
func TestTheSignersOwnKeyNeedsNoProof(t *testing.T) {
	n := newTestnet(t, base()).withSubnet()
	n.Must(bob, &subnetv1.MsgRegister{Coldkey: bob.String(), Hotkey: bob.String(), Netuid: 1, MaxBurn: subnet.Cap})
	require.Len(t, n.positions(bob).Positions, 1)
	n.Refuse(keeper.ErrUnprovenHotkey, alice, &subnetv1.MsgRegister{Coldkey: alice.String(), Hotkey: owner.String(), Netuid: 1, MaxBurn: subnet.Cap})
}
