package parity

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	distrkeeper "github.com/cosmos/cosmos-sdk/x/distribution/keeper"
	distrtypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/network"
	"github.com/plexusnet/plexus/chain/sealing"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/chain/timelock"
	"github.com/plexusnet/plexus/consensus"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/sims/economy/machine"
	"github.com/plexusnet/plexus/subnet"
)

const (
	tempo          = 10
	unbondingBlock = 25
)

var (
	owner  = apptest.NewAccount("owner")
	alice  = apptest.NewAccount("alice")
	bob    = apptest.NewAccount("bob")
	whale  = apptest.NewAccount("whale")
	minerA = apptest.NewAccount("miner-a")
	minerB = apptest.NewAccount("miner-b")
	minerC = apptest.NewAccount("miner-c")
	minerD = apptest.NewAccount("miner-d")

	// The validators, each with the hotkey that weighs for it.
	large, small, third    = validator("large", 300, 1800), validator("small", 100, 1234), validator("third", 77, 0)
	watcher, second, other = apptest.NewAccount("watcher"), apptest.NewAccount("second"), apptest.NewAccount("other")
)

func validator(name string, plx uint64, commission uint32) apptest.Validator {
	return apptest.Validator{Name: name, Tokens: plx*subnet.PLX + 7, CommissionBps: commission}
}

// both runs every step on the chain and on the machine. A step is one block.
type both struct {
	t         *testing.T
	chain     *apptest.Chain
	sim       *machine.Machine
	beacon    timelock.SecretKey
	accounts  map[string]machine.Account
	hotkeys   map[string]machine.Hotkey
	operators map[string]machine.Operator
	dels      map[[2]string]machine.Delegation
	sealed    map[string]*subnetv1.SealedWeights // the last commit to a hash, by hotkey
	channels  []*channel
	enact     func() error // what governance does at the end of the next block, nil: nothing
	epochs    int
	rewards   map[uint64]bool // that blocks had
	followed  map[followed]int
}

func newBoth(t *testing.T, change func(*subnetv1.Hyperparams)) *both {
	secret, err := timelock.ParseSecretKey(append(make([]byte, 31), 77))
	require.NoError(t, err)
	b := &both{
		t: t, beacon: secret, accounts: map[string]machine.Account{}, hotkeys: map[string]machine.Hotkey{},
		operators: map[string]machine.Operator{}, dels: map[[2]string]machine.Delegation{},
		sealed: map[string]*subnetv1.SealedWeights{}, rewards: map[uint64]bool{}, followed: map[followed]int{},
	}
	cfg := apptest.Config{
		Validators: []apptest.Validator{large, small, third},
		Params: func(p *subnetv1.Params) {
			p.MinLock, p.LockInterval = 50*subnet.PLX, 100
			p.MaxEpochsPerBlock, p.RootWeightsRateLimit, p.MaxRevealsPerBlock = 2, 3, 2
			p.HyperparamsRateLimit, p.HyperparamsFreeze = 1, 1
			p.Beacon = subnetv1.Beacon{PublicKey: secret.Public().Bytes(), GenesisTime: genesisTime, PeriodSeconds: 3}
			d := &p.Defaults
			d.Tempo, d.ImmunityPeriod, d.ActivityCutoff, d.WeightsRateLimit = tempo, 30, 45, 2
			d.BurnHalfLife, d.MinNonImmune, d.MaxUids, d.MaxValidators = 20, 1, 6, 3
			d.CommitReveal = subnet.CommitRevealOff
			change(d)
		},
		Genesis: func(g apptest.Genesis) error {
			var state stakingtypes.GenesisState
			if err := g.Edit(stakingtypes.ModuleName, &state, func() {
				state.Params.UnbondingTime = unbondingBlock * apptest.BlockTime
			}); err != nil {
				return err
			}
			return demandGenesis(g)
		},
	}
	p := machine.DefaultParams()
	p.MinLock, p.LockInterval = 50*subnet.PLX, 100
	p.MaxEpochsPerBlock, p.RootWeightsRateLimit, p.MaxRevealsPerBlock = 2, 3, 2
	p.UnbondingBlocks = unbondingBlock
	p.FeeBurn, p.DemandWindow, p.DemandSmoothing = feeBurn, window, smoothing
	b.sim = machine.New(p, 0)

	// So much exists that the first halving comes in the middle of the script.
	held := uint64(0)
	for _, a := range []apptest.Account{owner, alice, bob, whale, large.Account(), small.Account(), third.Account()} {
		cfg.Balances = append(cfg.Balances, apptest.Balance{Account: a, Nplx: 2000 * subnet.PLX})
		b.accounts[a.Name] = b.sim.NewAccount(2000 * subnet.PLX)
		held += 2000 * subnet.PLX
	}
	for _, v := range cfg.Validators {
		held += v.Tokens
	}
	rest := subnet.Cap/2 - 60*subnet.PLX - held
	hoard := apptest.NewAccount("hoard")
	cfg.Balances = append(cfg.Balances, apptest.Balance{Account: hoard, Nplx: rest})
	b.accounts[hoard.Name] = b.sim.NewAccount(rest)
	for _, v := range cfg.Validators {
		purse := b.sim.NewAccount(v.Tokens)
		require.NoError(t, b.sim.Send(purse, b.accounts[v.Name], v.Tokens))
		b.operators[v.Name] = b.sim.NewOperator(b.accounts[v.Name], v.CommissionBps)
		require.NoError(t, b.sim.Delegate(b.delegation(v.Account(), v), v.Tokens))
	}
	b.chain = apptest.New(t, cfg)
	require.NoError(t, b.sim.Block())
	b.check()
	return b
}

// genesisTime is when every chain of apptest starts.
var genesisTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix()

func (b *both) delegation(from apptest.Account, to apptest.Validator) machine.Delegation {
	key := [2]string{from.Name, to.Name}
	if _, known := b.dels[key]; !known {
		b.dels[key] = b.sim.NewDelegation(b.accounts[from.Name], b.operators[to.Name])
	}
	return b.dels[key]
}

func (b *both) hotkey(coldkey, hotkey apptest.Account) machine.Hotkey {
	if _, known := b.hotkeys[hotkey.Name]; !known {
		b.hotkeys[hotkey.Name] = b.sim.NewHotkey(b.accounts[coldkey.Name])
	}
	return b.hotkeys[hotkey.Name]
}

func (b *both) subnet(netuid uint32) *machine.Subnet {
	at := slices.IndexFunc(b.sim.Subnets(), func(s *machine.Subnet) bool { return s.Netuid == netuid })
	require.GreaterOrEqual(b.t, at, 0)
	return b.sim.Subnets()[at]
}

// do sends one message, makes the block on both sides and compares.
func (b *both) do(signer apptest.Account, msg sdk.Msg, step func() error) {
	b.t.Helper()
	b.chain.Must(signer, msg)
	require.NoError(b.t, step())
	b.block(b.sim.Block)
}

// block lets the machine make the block that the chain has made, and compares.
func (b *both) block(step func() error) {
	b.t.Helper()
	if b.enact != nil {
		require.NoError(b.t, b.enact())
		b.enact = nil
	}
	require.NoError(b.t, step())
	b.check()
}

func (b *both) wait(blocks int) {
	b.t.Helper()
	for range blocks {
		b.chain.Advance(1)
		b.block(func() error { return b.sim.Advance(1) })
	}
}

// untilEpoch waits until a subnet has just run one.
func (b *both) untilEpoch(netuid uint32) {
	b.t.Helper()
	for before := b.subnet(netuid).Epochs; b.subnet(netuid).Epochs == before; {
		b.wait(1)
	}
}

func (b *both) create(by apptest.Account) {
	b.do(by, &subnetv1.MsgCreateSubnet{Owner: by.String(), Name: "digits", MaxLock: subnet.Cap}, func() error {
		_, err := b.sim.CreateSubnet(b.accounts[by.Name], machine.None, b.defaults())
		return err
	})
}

func (b *both) defaults() subnet.Hyperparams {
	h, err := keeper.HyperparamsFromProto(b.state().Params.Defaults)
	require.NoError(b.t, err)
	return h
}

func (b *both) bind(v apptest.Validator, hotkey apptest.Account) {
	b.do(v.Account(), &subnetv1.MsgBindHotkey{Operator: v.Account().String(), Hotkey: hotkey.String(), HotkeyProof: hotkey.Proof(v.Account())}, func() error {
		b.sim.Bind(b.operators[v.Name], b.hotkey(v.Account(), hotkey))
		return nil
	})
}

func (b *both) register(netuid uint32, coldkey, hotkey apptest.Account) {
	b.do(coldkey, &subnetv1.MsgRegister{
		Coldkey: coldkey.String(), Hotkey: hotkey.String(), Netuid: netuid, MaxBurn: subnet.Cap, HotkeyProof: hotkey.Proof(coldkey),
	}, func() error {
		_, err := b.sim.Register(b.subnet(netuid), b.hotkey(coldkey, hotkey), subnet.Cap)
		return err
	})
}

func (b *both) deregister(netuid uint32, hotkey apptest.Account) {
	b.do(hotkey, &subnetv1.MsgDeregister{Sender: hotkey.String(), Hotkey: hotkey.String(), Netuid: netuid}, func() error {
		s := b.subnet(netuid)
		return b.sim.Deregister(s, s.UIDOf(b.hotkeys[hotkey.Name]))
	})
}

// hyper changes hyperparameters as the subnet's owner.
func (b *both) hyper(netuid uint32, by apptest.Account, change func(*subnetv1.Hyperparams)) {
	var h subnetv1.Hyperparams
	for _, s := range b.state().Subnets {
		if s.Subnet.Netuid == netuid {
			h = s.Subnet.Hyperparams
		}
	}
	change(&h)
	b.do(by, &subnetv1.MsgSetHyperparams{Sender: by.String(), Netuid: netuid, Hyperparams: h}, func() error {
		to, err := keeper.HyperparamsFromProto(h)
		require.NoError(b.t, err)
		return b.sim.SetHyperparams(b.subnet(netuid), to)
	})
}

func (b *both) remove(netuid uint32, by apptest.Account) {
	b.do(by, &subnetv1.MsgRemoveSubnet{Sender: by.String(), Netuid: netuid}, func() error {
		b.sim.RemoveSubnet(b.subnet(netuid))
		return nil
	})
}

// row is an opinion of pairs of uid and value.
type row []uint32

func (r row) split() (uids, values []uint32) {
	for i := 0; i < len(r); i += 2 {
		uids, values = append(uids, r[i]), append(values, r[i+1])
	}
	return uids, values
}

func (b *both) weigh(netuid uint32, hotkey apptest.Account, r ...uint32) {
	uids, values := row(r).split()
	b.do(hotkey, &subnetv1.MsgSetWeights{Hotkey: hotkey.String(), Netuid: netuid, Uids: uids, Values: values}, func() error {
		s := b.subnet(netuid)
		return b.sim.SetWeights(s, s.UIDOf(b.hotkeys[hotkey.Name]), subnet.Opinion{UIDs: uids, Values: values})
	})
}

func (b *both) rootWeigh(hotkey apptest.Account, r ...uint32) {
	netuids, values := row(r).split()
	b.do(hotkey, &subnetv1.MsgSetRootWeights{Hotkey: hotkey.String(), Netuids: netuids, Values: values}, func() error {
		return b.sim.SetRootWeights(b.hotkeys[hotkey.Name], subnet.RootOpinion{Netuids: netuids, Values: values})
	})
}

// stored is a subnet as the chain has it.
func (b *both) stored(netuid uint32) subnetv1.Subnet {
	for _, s := range b.state().Subnets {
		if s.Subnet.Netuid == netuid {
			return s.Subnet
		}
	}
	require.FailNow(b.t, "no such subnet")
	return subnetv1.Subnet{}
}

// hide commits to a hash, and opens the hotkey's commit before if there is one.
func (b *both) hide(netuid uint32, hotkey apptest.Account, r ...uint32) {
	uids, values := row(r).split()
	s := b.stored(netuid)
	sealed, err := sealing.New(apptest.ChainID, s, hotkey.String(), uids, values)
	require.NoError(b.t, err)
	hash, err := sealing.Hash(sealed)
	require.NoError(b.t, err)
	opening := b.sealed[hotkey.Name]
	msg := &subnetv1.MsgCommitHash{Hotkey: hotkey.String(), Netuid: netuid, Epoch: s.Epochs, Hash: hash, Opening: opening}
	b.do(hotkey, msg, func() error {
		on := b.subnet(netuid)
		uid := on.UIDOf(b.hotkeys[hotkey.Name])
		if opening != nil {
			if err := b.sim.Open(on, uid, opening.Epoch); err != nil {
				return err
			}
		}
		return b.sim.Commit(on, uid, 0, subnet.Opinion{UIDs: uids, Values: values})
	})
	b.sealed[hotkey.Name] = sealed
}

// lock commits to a round of the beacon that reaches the chain in so many
// blocks.
func (b *both) lock(netuid uint32, round uint64, in int, hotkey apptest.Account, r ...uint32) {
	uids, values := row(r).split()
	s := b.stored(netuid)
	sealed, err := sealing.New(apptest.ChainID, s, hotkey.String(), uids, values)
	require.NoError(b.t, err)
	ciphertext, err := sealing.Encrypt(b.state().Params.Beacon, round, sealed)
	require.NoError(b.t, err)
	b.do(hotkey, &subnetv1.MsgCommitWeights{Hotkey: hotkey.String(), Netuid: netuid, Round: round, Ciphertext: ciphertext, Epoch: s.Epochs}, func() error {
		on := b.subnet(netuid)
		return b.sim.Commit(on, on.UIDOf(b.hotkeys[hotkey.Name]), b.sim.Now()+uint64(in), subnet.Opinion{UIDs: uids, Values: values})
	})
}

func (b *both) pulse(round uint64) {
	signature, err := b.beacon.Sign(round)
	require.NoError(b.t, err)
	b.do(owner, &subnetv1.MsgSubmitPulse{Sender: owner.String(), Round: round, Signature: signature}, func() error { return nil })
}

// soon is a round that commits of the next few blocks may name.
func (b *both) soon() uint64 {
	return sealing.Schedule(b.state().Params.Beacon).RoundAt(genesisTime+int64(12*(b.chain.Height()+8))) + 1
}

func coin(nplx uint64) sdk.Coin { return sdk.NewCoin(network.Denom, sdkmath.NewIntFromUint64(nplx)) }

func (b *both) delegate(from apptest.Account, to apptest.Validator, nplx uint64) {
	b.do(from, stakingtypes.NewMsgDelegate(from.String(), to.Account().Operator().String(), coin(nplx)), func() error {
		return b.sim.Delegate(b.delegation(from, to), nplx)
	})
}

func (b *both) undelegate(from apptest.Account, v apptest.Validator, nplx uint64) {
	b.do(from, stakingtypes.NewMsgUndelegate(from.String(), v.Account().Operator().String(), coin(nplx)), func() error {
		require.Equal(b.t, nplx, b.sim.Undelegate(b.delegation(from, v), nplx))
		return nil
	})
}

// redelegate moves all that an account has with a validator to another with
// which it has nothing.
func (b *both) redelegate(who apptest.Account, from, to apptest.Validator) {
	d := b.delegation(who, from)
	nplx, _ := b.sim.Stake(d)
	msg := stakingtypes.NewMsgBeginRedelegate(who.String(), from.Account().Operator().String(), to.Account().Operator().String(), coin(nplx))
	b.do(who, msg, func() error {
		delete(b.dels, [2]string{who.Name, from.Name})
		b.dels[[2]string{who.Name, to.Name}] = d
		return b.sim.Redelegate(d, b.operators[to.Name])
	})
}

func (b *both) withdraw(who apptest.Account, v apptest.Validator) {
	b.do(who, distrtypes.NewMsgWithdrawDelegatorReward(who.String(), v.Account().Operator().String()), func() error {
		b.sim.Withdraw(b.delegation(who, v))
		return nil
	})
}

func (b *both) withdrawCommission(v apptest.Validator) {
	b.do(v.Account(), distrtypes.NewMsgWithdrawValidatorCommission(v.Account().Operator().String()), func() error {
		b.sim.WithdrawCommission(b.operators[v.Name])
		return nil
	})
}

func (b *both) send(from, to apptest.Account, nplx uint64) {
	b.do(from, banktypes.NewMsgSend(from.Address(), to.Address(), sdk.NewCoins(coin(nplx))), func() error {
		return b.sim.Send(b.accounts[from.Name], b.accounts[to.Name], nplx)
	})
}

// state is all that the chain's module has stored.
func (b *both) state() *subnetv1.GenesisState {
	var app map[string]json.RawMessage
	require.NoError(b.t, json.Unmarshal(b.chain.Export().AppState, &app))
	var state subnetv1.GenesisState
	require.NoError(b.t, b.chain.App().Encoding().Codec.UnmarshalJSON(app[keeper.ModuleName], &state))
	return &state
}

// check compares what every block moves, and after an epoch everything.
func (b *both) check() {
	t := b.t
	t.Helper()
	require.Equal(t, b.chain.Height(), b.sim.Height())
	e := b.chain.Emission()
	require.Equal(t, e.Supply, b.sim.Supply(), "supply at height %d", b.sim.Height())
	require.Equal(t, e.Pending, b.sim.Pending())
	require.Equal(t, e.Streaming, b.sim.Streaming())
	require.Equal(t, e.Locked, b.sim.Locked())
	require.Equal(t, e.BlockReward, b.sim.Reward())
	require.Equal(t, e.Totals.Minted, b.sim.Minted())
	require.Equal(t, e.Totals.Burned, b.sim.Burned())
	b.rewards[e.BlockReward] = true
	for _, name := range slices.Sorted(maps.Keys(b.accounts)) {
		require.Equal(t, b.chain.Balance(apptest.NewAccount(name).Address()), b.sim.Balance(b.accounts[name]), "balance of %s at height %d", name, b.sim.Height())
	}
	b.checkRewards()
	b.checkDemand()
	for _, s := range b.sim.Subnets() {
		if s.Epochs > 0 && s.LastEpoch == b.sim.Height() {
			b.epochs++
			b.checkSubnets()
			return
		}
	}
}

// checkRewards compares the distribution module's decimals.
func (b *both) checkRewards() {
	t, distribution, ctx := b.t, b.chain.App().Distribution, b.chain.Context()
	t.Helper()
	for _, v := range []apptest.Validator{large, small, third} {
		operator := v.Account().Operator()
		outstanding, err := distribution.GetValidatorOutstandingRewardsCoins(ctx, operator)
		require.NoError(t, err)
		commission, err := distribution.GetValidatorAccumulatedCommission(ctx, operator)
		require.NoError(t, err)
		has, taken := b.sim.Rewards(b.operators[v.Name])
		require.Equal(t, outstanding.AmountOf(network.Denom).String(), has, "outstanding rewards of %s at height %d", v.Name, b.sim.Height())
		require.Equal(t, commission.Commission.AmountOf(network.Denom).String(), taken, "commission of %s", v.Name)
		stored, err := b.chain.App().Staking.GetValidator(ctx, operator)
		require.NoError(t, err)
		require.Equal(t, stored.GetTokens().Uint64(), b.sim.Tokens(b.operators[v.Name]))
	}
	pool, err := distribution.FeePool.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, pool.CommunityPool.AmountOf(network.Denom).String(), b.sim.CommunityPool())
}

func (b *both) checkSubnets() {
	t, state := b.t, b.state()
	t.Helper()
	require.Len(t, b.sim.Subnets(), len(state.Subnets))
	for i, s := range b.sim.Subnets() {
		b.checkSubnet(s, state.Subnets[i], state.Pending.Amounts[i])
	}
	hidden := 0
	for _, c := range state.Commits {
		if c.Status == subnetv1.CommitStatus_COMMIT_STATUS_HIDDEN {
			hidden++
		}
	}
	require.Equal(t, hidden, b.sim.Hidden())
	querier := distrkeeper.NewQuerier(b.chain.App().Distribution)
	// As the next block sees it: of a delegation that was made in this block the
	// SDK says that it has no rewards yet.
	next := b.chain.Context().WithBlockHeight(int64(b.chain.Height()) + 1)
	for key, d := range b.dels {
		if stake, _ := b.sim.Stake(d); stake == 0 {
			continue
		}
		rewards, err := querier.DelegationRewards(next, &distrtypes.QueryDelegationRewardsRequest{
			DelegatorAddress: apptest.NewAccount(key[0]).String(), ValidatorAddress: apptest.NewAccount(key[1]).Operator().String(),
		})
		require.NoError(t, err)
		require.Equal(t, rewards.Rewards.AmountOf(network.Denom).TruncateInt().Uint64(), b.sim.Owed(d), "rewards of %s with %s", key[0], key[1])
	}
	names := map[string]machine.Hotkey{}
	for name, h := range b.hotkeys {
		names[apptest.NewAccount(name).String()] = h
	}
	for _, r := range state.RootWeights {
		row, height, set := b.sim.RootRow(names[r.Hotkey])
		require.True(t, set)
		require.Equal(t, r.Row, packed(row, height))
	}
}

func packed(r consensus.Row, height uint64) subnetv1.Row {
	var entries []byte
	for _, e := range r {
		entries = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(entries, e.UID), e.Value)
	}
	return subnetv1.Row{Updated: height, Entries: entries}
}

func (b *both) checkSubnet(s *machine.Subnet, want subnetv1.GenesisSubnet, pending uint64) {
	t := b.t
	t.Helper()
	price, at := s.BurnPrice()
	require.Equal(t, []uint64{uint64(want.Subnet.Netuid), want.Subnet.LastEpoch, want.Subnet.Epochs, want.Subnet.Lock, want.Subnet.BurnPrice, want.Subnet.BurnHeight, pending},
		[]uint64{uint64(s.Netuid), s.LastEpoch, s.Epochs, s.Lock, price, at, s.Pending})
	require.Equal(t, want.Subnet.Ledger, subnetv1.Ledger{
		OwnerPaid: s.Ledger.OwnerPaid, MinersPaid: s.Ledger.MinersPaid, ValidatorsPaid: s.Ledger.ValidatorsPaid,
		Burned: s.Ledger.Burned, Registrations: s.Ledger.Registrations,
	})
	require.Len(t, s.Neurons, len(want.Neurons))
	weights, bonds := map[uint32]subnetv1.Row{}, map[uint32]subnetv1.Row{}
	for _, r := range want.Weights {
		weights[r.Uid] = r.Row
	}
	for _, r := range want.Bonds {
		bonds[r.Uid] = r.Row
	}
	o := want.Outcome
	for uid, n := range s.Neurons {
		stored := want.Neurons[uid]
		hotkey := ""
		for name, h := range b.hotkeys {
			if h == n.Hotkey {
				hotkey = apptest.NewAccount(name).String()
			}
		}
		require.Equal(t, stored.Hotkey, hotkey, "hotkey of uid %d", uid)
		require.Equal(t, stored.Registered, n.Registered)
		require.Equal(t, weights[uint32(uid)], packed(n.Weights, n.WeightsAt), "weights of uid %d", uid)
		require.Equal(t, bonds[uint32(uid)].Entries, packed(n.Bonds, 0).Entries, "bonds of uid %d", uid)
		require.Equal(t, []uint32{o.Incentive[uid], o.Dividends[uid], o.Consensus[uid], o.Trust[uid], o.ValidatorTrust[uid], o.StakeWeight[uid]},
			[]uint32{uint32(n.Incentive), uint32(n.Dividends), uint32(n.Consensus), uint32(n.Trust), uint32(n.ValidatorTrust), uint32(n.StakeShare)}, "ranks of uid %d", uid)
		require.Equal(t, o.Emission[uid], n.Emission)
		require.Equal(t, o.Tokens[uid], n.Tokens)
		require.Equal(t, []bool{o.Permit[uid], o.Active[uid]}, []bool{n.Permit, n.Active})
	}
	var running []subnetv1.Stream
	for _, st := range want.Streams.Streams {
		if (subnet.Stream{Total: st.Total, Start: st.Start, Length: st.Length}).Left(b.sim.Height()) > 0 {
			running = append(running, st)
		}
	}
	streams, operators := b.sim.Streams(s)
	require.Len(t, streams, len(running))
	for i, st := range streams {
		require.Equal(t, [3]uint64{running[i].Total, running[i].Start, running[i].Length}, [3]uint64{st.Total, st.Start, st.Length})
		for _, v := range []apptest.Validator{large, small, third} {
			if b.operators[v.Name] == operators[i] {
				require.Equal(t, running[i].Validator, v.Account().Operator().String())
			}
		}
	}
}

// TestTheChainAndTheSimulatorAgree runs the script under three kinds of Yuma.
func TestTheChainAndTheSimulatorAgree(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*subnetv1.Hyperparams)
	}{
		{"Yuma3", func(*subnetv1.Hyperparams) {}},
		{"Yuma3 with liquid alpha", func(h *subnetv1.Hyperparams) { h.LiquidAlpha = true }},
		{"Yuma2", func(h *subnetv1.Hyperparams) { h.YumaVersion = 2 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBoth(t, c.change)
			script(b)
			require.Greater(t, b.epochs, 25)
			for netuid := uint32(2); netuid <= 3; netuid++ {
				require.NotEmpty(t, b.subnet(netuid).Neurons[0].Weights, "hidden weights of subnet %d came into force", netuid)
			}
			require.Equal(t, map[uint64]bool{subnet.PLX: true, subnet.PLX / 2: true}, b.rewards, "the script passes a halving")
		})
	}
}

// script is a life of three subnets: one with plain weights, one that hides
// them behind hashes, one behind the beacon.
func script(b *both) {
	b.create(owner) // 1
	b.create(alice) // 2
	b.create(owner) // 3
	b.hyper(2, alice, func(h *subnetv1.Hyperparams) { h.CommitReveal = subnet.CommitRevealHash })
	b.hyper(3, owner, func(h *subnetv1.Hyperparams) { h.CommitReveal = subnet.CommitRevealTimelock })
	for _, v := range []struct {
		validator apptest.Validator
		hotkey    apptest.Account
	}{{large, watcher}, {small, second}, {third, other}} {
		b.bind(v.validator, v.hotkey)
		for netuid := uint32(1); netuid <= 3; netuid++ {
			b.register(netuid, v.validator.Account(), v.hotkey)
		}
	}
	for netuid := uint32(1); netuid <= 3; netuid++ {
		b.register(netuid, alice, minerA)
		b.register(netuid, bob, minerB)
	}
	b.delegate(whale, small, 123_456_789_012)
	b.delegate(bob, large, 1)
	b.delegate(bob, third, 33_333_333_333)
	b.wait(2 * tempo) // the first epochs give permits and burn the miners' part

	b.weigh(1, watcher, 3, 700, 4, 300)
	b.weigh(1, second, 3, 100, 4, 900)
	b.untilEpoch(2)
	b.hide(2, watcher, 3, 1, 4, 2)
	b.hide(2, second, 3, 5, 4, 1)
	b.rootWeigh(watcher, 1, 1, 2, 3)
	b.rootWeigh(second, 3, 1)
	b.untilEpoch(2)
	b.hide(2, watcher, 3, 2, 4, 2)
	b.hide(2, second, 3, 1)
	b.untilEpoch(2)
	b.hide(2, watcher, 3, 1, 4, 1) // the second one does not open its last
	b.untilEpoch(3)
	round := b.soon()
	b.lock(3, round, 4, watcher, 3, 9, 4, 1)
	b.lock(3, round, 3, second, 3, 8, 4, 2)
	b.lock(3, round, 2, other, 3, 1, 4, 1)
	b.wait(1)
	b.pulse(round)
	b.wait(2*tempo + 1)

	b.withdraw(whale, small)
	b.redelegate(whale, small, third)
	b.withdrawCommission(large)
	b.send(alice, bob, 987_654_321)
	b.undelegate(bob, third, 11_111_111_111)
	b.delegate(alice, small, 999_999_999_999) // now the small one is the largest
	b.weigh(1, watcher, 3, 65535, 4, 1)
	b.wait(2 * tempo)

	b.register(1, bob, minerC) // the sixth of six uids
	b.weigh(1, second, 3, 1, 5, 3)
	b.wait(3 * tempo)
	b.register(1, alice, minerD) // takes the place of the weakest
	b.weigh(1, watcher, 3, 3, 4, 2, 5, 1)
	b.wait(tempo)
	b.deregister(2, minerB)
	b.rootWeigh(second, 1, 7, 2, 1)
	b.wait(tempo)
	b.register(2, alice, minerD) // takes the vacant uid
	b.withdraw(large.Account(), large)
	b.withdraw(alice, small)
	b.undelegate(alice, small, 500_000_000_001)
	b.hyper(1, owner, func(h *subnetv1.Hyperparams) { h.BondsMovingAverage, h.ActivityCutoff = 500_000, 30 })
	b.wait(tempo)

	b.remove(1, owner) // its streams go on
	b.wait(2*tempo + 3)
	b.withdrawCommission(small)
	b.withdrawCommission(large)
	b.create(bob) // 4
	b.register(4, bob, minerC)
	b.wait(3 * tempo) // weights grow older than the activity cutoff
}
