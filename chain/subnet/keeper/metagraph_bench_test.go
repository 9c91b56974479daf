package keeper_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// crowded is the genesis of a subnet of 4096 neurons that all serve, of which
// 64 have set weights over all of them.
func crowded() func(apptest.Genesis) error {
	return func(g apptest.Genesis) error {
		const neurons, authors = subnet.MaxMaxUIDs, 64
		var state subnetv1.GenesisState
		return g.Edit(keeper.ModuleName, &state, func() {
			s := subnetv1.GenesisSubnet{Subnet: subnetv1.Subnet{
				Netuid: 1, Owner: owner.String(), Name: "crowded", Neurons: neurons, Hyperparams: state.Params.Defaults,
			}}
			s.Subnet.Hyperparams.MaxUids = neurons
			row := make([]byte, 0, 4*neurons)
			for uid := range neurons {
				row = append(row, byte(uid>>8), byte(uid), 0x80, byte(uid))
				e := endpoint()
				hotkey := sdk.AccAddress(fmt.Appendf(nil, "hotkey of uid %06d", uid)).String()
				s.Neurons = append(s.Neurons, subnetv1.Neuron{Uid: uint32(uid), Hotkey: hotkey, Coldkey: alice.String(), Registered: 1, Endpoint: &e})
				state.Hotkeys = append(state.Hotkeys, subnetv1.HotkeyOwner{Hotkey: hotkey, Coldkey: alice.String()})
				s.Outcome.Permit = append(s.Outcome.Permit, uid < authors)
				s.Outcome.Emission = append(s.Outcome.Emission, uint64(uid))
				for _, v := range []*[]uint32{&s.Outcome.Incentive, &s.Outcome.Dividends, &s.Outcome.Consensus, &s.Outcome.Trust, &s.Outcome.ValidatorTrust} {
					*v = append(*v, uint32(uid))
				}
			}
			for uid := range uint32(authors) {
				s.Weights = append(s.Weights, subnetv1.UidRow{Uid: uid, Row: subnetv1.Row{Updated: 1, Entries: row}})
			}
			state.Counter.NextNetuid = 2
			state.Subnets = append(state.Subnets, s)
		})
	}
}

// BenchmarkMetagraph asks for a subnet of 4096 neurons inside a node that keeps
// its state on disk, whole and by field.
func BenchmarkMetagraph(b *testing.B) {
	cfg := base()
	cfg.Alone, cfg.Home = true, b.TempDir()
	cfg.Genesis = crowded()
	n := newTestnet(b, cfg)
	defer n.Close()
	n.Advance(1)
	q := keeper.NewQueryServer(n.App().Subnet)
	for _, c := range []struct {
		name   string
		fields []string
	}{
		{"whole", nil},
		{"hotkeys", []string{"hotkeys"}},
		{"stake", []string{"stake"}},
		{"updated", []string{"updated"}},
		{"endpoints", []string{"endpoints"}},
		{"incentive", []string{"incentive"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				// As a query has it: a fresh view of the committed state.
				ctx, err := n.App().CreateQueryContext(int64(n.Height()), false)
				require.NoError(b, err)
				m, err := q.Metagraph(ctx, &subnetv1.QueryMetagraphRequest{Netuid: 1, Fields: c.fields})
				require.NoError(b, err)
				require.EqualValues(b, 1, m.Netuid)
			}
		})
	}
	b.Run("subnets", func(b *testing.B) {
		for b.Loop() {
			ctx, err := n.App().CreateQueryContext(int64(n.Height()), false)
			require.NoError(b, err)
			_, err = q.Subnets(ctx, &subnetv1.QuerySubnetsRequest{Pagination: &query.PageRequest{Limit: 1}})
			require.NoError(b, err)
		}
	})
}
