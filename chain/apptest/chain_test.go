package apptest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/apptest"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

func TestChainMakesBlocks(t *testing.T) {
	alice := apptest.NewAccount("alice")
	chain := apptest.New(t, apptest.Config{
		Balances:   []apptest.Balance{{Account: alice, Nplx: 1000 * subnet.PLX}},
		Validators: []apptest.Validator{{Name: "val", Tokens: 100 * subnet.PLX}, {Name: "jailed", Tokens: 300 * subnet.PLX, Jailed: true}},
	})
	require.EqualValues(t, 1, chain.Height())
	chain.Advance(3)
	require.EqualValues(t, 4, chain.Height())
	require.Zero(t, chain.Emission().Totals.Minted, "nothing is minted without a subnet")

	chain.Must(alice, &subnetv1.MsgCreateSubnet{Owner: alice.String(), Name: "digits", MaxLock: 100 * subnet.PLX})
	chain.Advance(40)
	e := chain.Emission()
	require.Equal(t, 41*subnet.PLX, e.Totals.Minted)
	require.Equal(t, 1400*subnet.PLX+41*subnet.PLX, e.Supply)
	require.Equal(t, 900*subnet.PLX, chain.Balance(alice.Address()))
}
