package keeper_test

import (
	"cmp"
	"context"
	"slices"
	"testing"

	"github.com/cosmos/gogoproto/proto"
	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// FuzzMessages feeds decoded messages, valid or not, to the message server in
// a lively subnet, and lets the chain live for an epoch with what they did.
// Nothing panics, no block fails, and the accounts hold what is owed.
func FuzzMessages(f *testing.F) {
	n := newTestnet(f, base()).scored()
	n.epochOf()
	p := keeper.DefaultParams()
	for kind, msg := range []proto.Message{
		createMsg(), registerMsg(alice, minerC), weightsMsg(watcher, 2, 1, 3, 65535), weightsMsg(minerA, 2, 1),
		bindMsg(large, watcher), &subnetv1.MsgServe{Hotkey: minerA.String(), Netuid: 1, Endpoint: endpoint()},
		&subnetv1.MsgUpdateParams{Authority: n.Authority(), Params: p},
	} {
		raw, err := proto.Marshal(msg)
		require.NoError(f, err)
		f.Add(byte([]int{0, 1, 2, 2, 3, 4, 5}[kind]), raw)
	}
	known := []string{
		owner.String(), alice.String(), bob.String(), minerA.String(), minerB.String(), minerC.String(), watcher.String(),
		second.String(), large.Account().String(), small.Account().String(), poor.String(), n.Authority(),
	}
	// A module's account cannot sign, but may be named.
	named := append(slices.Clone(known), n.App().Accounts.GetModuleAddress(keeper.EmissionAccount).String())
	// An address that a mutation spoilt stands for one of those known.
	one := func(of []string, s string) string {
		if _, err := n.App().Accounts.AddressCodec().StringToBytes(s); err == nil || len(s) == 0 {
			return s
		}
		return of[int(s[len(s)-1])%len(of)]
	}
	accounts := map[string]apptest.Account{}
	for _, a := range []apptest.Account{owner, alice, bob, minerA, minerB, minerC, watcher, second, large.Account(), small.Account(), poor} {
		accounts[a.String()] = a
	}
	// Claims are mostly right, so that mutations get beyond them.
	prove := func(hotkey, coldkey string) *subnetv1.HotkeyProof {
		h, known := accounts[hotkey]
		if c, too := accounts[coldkey]; known && too {
			return h.Proof(c)
		}
		return nil
	}
	signer := func(s string) string { return one(known, s) }
	person := func(s string) string { return one(named, s) }
	f.Fuzz(func(t *testing.T, kind byte, raw []byte) {
		ctx := n.Context().WithBlockHeight(int64(n.Height()) + 1)
		server := keeper.NewMsgServer(n.App().Subnet)
		tx, commit := ctx.CacheContext()
		var err error
		switch kind % 6 {
		case 0:
			m := &subnetv1.MsgCreateSubnet{}
			if proto.Unmarshal(raw, m) == nil {
				m.Owner, m.OwnerHotkey = signer(m.Owner), person(m.OwnerHotkey)
				m.OwnerHotkeyProof = cmp.Or(prove(m.OwnerHotkey, m.Owner), m.OwnerHotkeyProof)
				_, err = server.CreateSubnet(tx, m)
			}
		case 1:
			m := &subnetv1.MsgRegister{}
			if proto.Unmarshal(raw, m) == nil {
				m.Coldkey, m.Hotkey = signer(m.Coldkey), person(m.Hotkey)
				m.HotkeyProof = cmp.Or(prove(m.Hotkey, m.Coldkey), m.HotkeyProof)
				_, err = server.Register(tx, m)
			}
		case 2:
			m := &subnetv1.MsgSetWeights{}
			if proto.Unmarshal(raw, m) == nil {
				m.Hotkey = signer(m.Hotkey)
				_, err = server.SetWeights(tx, m)
			}
		case 3:
			m := &subnetv1.MsgBindHotkey{}
			if proto.Unmarshal(raw, m) == nil {
				m.Operator, m.Hotkey = signer(m.Operator), person(m.Hotkey)
				m.HotkeyProof = cmp.Or(prove(m.Hotkey, m.Operator), m.HotkeyProof)
				_, err = server.BindHotkey(tx, m)
			}
		case 4:
			m := &subnetv1.MsgServe{}
			if proto.Unmarshal(raw, m) == nil {
				m.Hotkey = signer(m.Hotkey)
				_, err = server.Serve(tx, m)
			}
		case 5:
			m := &subnetv1.MsgUpdateParams{}
			if proto.Unmarshal(raw, m) == nil {
				m.Authority = signer(m.Authority)
				_, err = server.UpdateParams(tx, m)
			}
		}
		if err == nil {
			commit()
		}
		query := keeper.NewQueryServer(n.App().Subnet)
		for height := int64(n.Height()) + 1; height <= int64(n.Height())+tempo+2; height++ {
			ctx = ctx.WithBlockHeight(height)
			require.NoError(t, n.App().Subnet.EndBlock(ctx))
			e, err := query.Emission(ctx, &subnetv1.QueryEmissionRequest{})
			require.NoError(t, err)
			require.Equal(t, e.Pending+e.Streaming, e.EmissionAccount)
			require.Equal(t, e.Locked, e.LockAccount)
		}
		for _, netuid := range []uint32{1, 2} {
			m, err := query.Metagraph(ctx, &subnetv1.QueryMetagraphRequest{Netuid: netuid})
			if err == nil {
				require.Len(t, m.Incentive, len(m.Hotkeys))
			}
		}
		state, err := n.App().Subnet.ExportGenesis(ctx)
		require.NoError(t, err)
		require.NoError(t, keeper.ValidateGenesis(state), "what a chain exports can be imported")
	})
}

// FuzzGenesis: a genesis is refused, or a chain that starts from it lives for
// two tempos.
func FuzzGenesis(f *testing.F) {
	n := newTestnet(f, base())
	raw, err := proto.Marshal(goodGenesis())
	require.NoError(f, err)
	f.Add(raw)
	raw, err = proto.Marshal(keeper.DefaultGenesis())
	require.NoError(f, err)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		g := &subnetv1.GenesisState{}
		if proto.Unmarshal(raw, g) != nil || keeper.ValidateGenesis(g) != nil {
			return
		}
		ctx := n.Context()
		k := n.App().Subnet
		fund(t, n, ctx, g)
		if k.InitGenesis(ctx, g) != nil {
			return
		}
		for height := int64(n.Height()) + 1; height < int64(n.Height())+2*tempo; height++ {
			ctx = ctx.WithBlockHeight(height)
			require.NoError(t, k.EndBlock(ctx))
		}
		exported, err := k.ExportGenesis(ctx)
		require.NoError(t, err)
		require.NoError(t, keeper.ValidateGenesis(exported))
	})
}

// fund gives the module's accounts what a genesis owes, as far as there is
// money.
func fund(t *testing.T, n testnet, ctx context.Context, g *subnetv1.GenesisState) {
	t.Helper()
	var emission, lock uint64
	for _, nplx := range g.Pending.Amounts {
		emission += nplx
	}
	for _, s := range g.Subnets {
		lock += s.Subnet.Lock
		for _, st := range s.Streams.Streams {
			stream := subnet.Stream{Total: st.Total, Start: st.Start, Length: st.Length}
			emission += stream.Left(n.Height() - 1)
		}
	}
	for _, pay := range []struct {
		account string
		nplx    uint64
	}{{keeper.EmissionAccount, emission}, {keeper.LockAccount, lock}} {
		if pay.nplx > 0 && pay.nplx < 1000*subnet.PLX {
			require.NoError(t, n.App().Bank.SendCoinsFromAccountToModule(ctx, alice.Address(), pay.account, coins(pay.nplx)))
		}
	}
}

// lively is a genesis of many subnets with the same neurons, of which the
// first are validators with full rows of weights and bonds.
func lively(subnets, neurons, validators int) apptest.Config {
	cfg := apptest.Config{Alone: true, Params: func(p *subnetv1.Params) {
		testParams(p)
		p.MaxEpochsPerBlock = uint32(subnets)
	}}
	hotkeys := make([]apptest.Account, neurons)
	g := keeper.DefaultGenesis()
	cfg.Params(&g.Params)
	for uid := range neurons {
		hotkeys[uid] = apptest.NewAccount("hotkey " + string(rune('A'+uid)))
		g.Hotkeys = append(g.Hotkeys, subnetv1.HotkeyOwner{Hotkey: hotkeys[uid].String(), Coldkey: hotkeys[uid].String()})
		if uid < validators {
			v := apptest.Validator{Name: "validator " + string(rune('A'+uid)), Tokens: uint64(uid+1) * subnet.PLX}
			cfg.Validators = append(cfg.Validators, v)
			g.Bindings = append(g.Bindings, subnetv1.Binding{Hotkey: hotkeys[uid].String(), Validator: v.Account().Operator().String()})
		}
	}
	for netuid := range subnets {
		s := subnetv1.GenesisSubnet{Subnet: subnetv1.Subnet{
			Netuid: uint32(netuid + 1), Owner: hotkeys[0].String(), Name: "subnet", Neurons: uint32(neurons), Hyperparams: g.Params.Defaults,
		}}
		for uid := range neurons {
			s.Neurons = append(s.Neurons, subnetv1.Neuron{Uid: uint32(uid), Hotkey: hotkeys[uid].String(), Coldkey: hotkeys[uid].String()})
			s.Outcome.Permit = append(s.Outcome.Permit, uid < validators)
			s.Outcome.Tokens = append(s.Outcome.Tokens, uint64(uid+1)*subnet.PLX)
			if uid >= validators {
				continue
			}
			row := subnetv1.Row{Updated: 1}
			for to := range neurons {
				row.Entries = append(row.Entries, 0, byte(to), byte((uid+1)*(to+3)*(netuid+1)), byte(uid*to+1))
			}
			s.Weights = append(s.Weights, subnetv1.UidRow{Uid: uint32(uid), Row: row})
			s.Bonds = append(s.Bonds, subnetv1.UidRow{Uid: uint32(uid), Row: row})
		}
		g.Subnets = append(g.Subnets, s)
	}
	g.Counter.NextNetuid = uint32(subnets + 1)
	cfg.Genesis = func(genesis apptest.Genesis) error {
		var stored subnetv1.GenesisState
		return genesis.Edit(keeper.ModuleName, &stored, func() { stored = *g })
	}
	return cfg
}

// BenchmarkEndBlock is the work of the module in one block of 64 subnets of 128
// neurons and 32 validators: when nothing is due, and when every epoch is.
func BenchmarkEndBlock(b *testing.B) {
	n := newTestnet(b, lively(64, 128, 32))
	for _, c := range []struct {
		name   string
		height int64
	}{{"64 subnets, no epoch", 2}, {"64 subnets, 64 epochs", tempo}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ctx := n.Context().WithBlockHeight(c.height)
				if err := n.App().Subnet.EndBlock(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
